// Auth through the official SDKs: firebase (web) as the app, firebase-admin as the backend.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deleteApp, initializeApp } from 'firebase/app';
import {
  connectAuthEmulator,
  deleteUser,
  getAuth,
  inMemoryPersistence,
  initializeAuth,
  signInAnonymously,
  signOut,
  updateProfile,
} from 'firebase/auth';
import { startSuite } from './suite.mjs';

let suite;
let app;
let admin;

before(async () => {
  suite = await startSuite();
  app = initializeApp({ apiKey: 'any', projectId: suite.project });
  initializeAuth(app, { persistence: inMemoryPersistence });
  connectAuthEmulator(getAuth(app), suite.url('auth'), { disableWarnings: true });
  // firebase-admin looks at the environment when it is first used.
  process.env.FIREBASE_AUTH_EMULATOR_HOST = suite.url('auth').replace('http://', '');
  const { initializeApp: initializeAdmin } = await import('firebase-admin/app');
  const { getAuth: getAdminAuth } = await import('firebase-admin/auth');
  admin = getAdminAuth(initializeAdmin({ projectId: suite.project }));
});

after(async () => {
  await deleteApp(app);
  assert.equal(await suite.stop(), 0);
});

test('signInAnonymously makes an account that the Admin SDK sees', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  assert.equal(user.isAnonymous, true);
  assert.match(user.uid, /^[A-Za-z0-9]{28}$/);
  const record = await admin.getUser(user.uid);
  assert.equal(record.uid, user.uid);
  assert.equal(record.disabled, false);
  assert.deepEqual(record.providerData, []);
});

test('the ID token verifies in the Admin SDK and says who it is', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  const claims = await admin.verifyIdToken(await user.getIdToken());
  assert.equal(claims.uid, user.uid);
  assert.equal(claims.aud, suite.project);
  assert.equal(claims.iss, `https://securetoken.google.com/${suite.project}`);
  assert.equal(claims.firebase.sign_in_provider, 'anonymous');
  assert.equal(claims.provider_id, 'anonymous');
  await assert.doesNotReject(admin.verifyIdToken(await user.getIdToken(), true));
});

test('getIdToken(true) refreshes', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  const before = await user.getIdTokenResult();
  const after = await user.getIdTokenResult(true);
  assert.equal(after.claims.sub, before.claims.sub);
  assert.ok(Date.parse(after.issuedAtTime) >= Date.parse(before.issuedAtTime));
});

test('updateProfile changes the account', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  await updateProfile(user, { displayName: 'Host', photoURL: 'https://example.com/p.png' });
  const record = await admin.getUser(user.uid);
  assert.equal(record.displayName, 'Host');
  assert.equal(record.photoURL, 'https://example.com/p.png');
});

test('deleteUser deletes', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  const token = await user.getIdToken();
  await deleteUser(user);
  await assert.rejects(admin.getUser(user.uid), { code: 'auth/user-not-found' });
  await assert.rejects(admin.verifyIdToken(token, true), { code: 'auth/user-not-found' });
});

test('the Admin SDK creates, changes, lists and deletes accounts', async () => {
  await signOut(getAuth(app));
  const made = await admin.createUser({ displayName: 'Made', phoneNumber: '+15555550100' });
  await admin.updateUser(made.uid, { disabled: true });
  await admin.setCustomUserClaims(made.uid, { role: 'dj' });
  const record = await admin.getUser(made.uid);
  assert.equal(record.disabled, true);
  assert.deepEqual(record.customClaims, { role: 'dj' });
  assert.equal((await admin.getUserByPhoneNumber('+15555550100')).uid, made.uid);

  const listed = new Set();
  let pageToken;
  do {
    const page = await admin.listUsers(2, pageToken);
    assert.ok(page.users.length <= 2);
    page.users.forEach((user) => listed.add(user.uid));
    pageToken = page.pageToken;
  } while (pageToken);
  assert.ok(listed.has(made.uid));

  await admin.deleteUser(made.uid);
  await assert.rejects(admin.getUser(made.uid), { code: 'auth/user-not-found' });
  const result = await admin.deleteUsers([...listed]);
  assert.equal(result.failureCount, 0);
  assert.equal((await admin.listUsers()).users.length, 0);
});

test('a revoked or disabled account is refused where the Admin SDK asks', async () => {
  const { user } = await signInAnonymously(getAuth(app));
  const token = await user.getIdToken();
  await admin.updateUser(user.uid, { disabled: true });
  await assert.rejects(admin.verifyIdToken(token, true), { code: 'auth/user-disabled' });
  await assert.rejects(user.getIdToken(true), { code: 'auth/user-disabled' });
});

test("the emulator's own reset drops every account", async () => {
  await signInAnonymously(getAuth(app));
  const response = await fetch(`${suite.url('auth')}/emulator/v1/projects/${suite.project}/accounts`, {
    method: 'DELETE',
  });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {});
  assert.equal((await admin.listUsers()).users.length, 0);
});
