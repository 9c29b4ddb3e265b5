// Auth through the official SDKs: firebase (web) as the app, firebase-admin as the backend.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deleteApp, initializeApp } from 'firebase/app';
import {
  EmailAuthProvider,
  GoogleAuthProvider,
  applyActionCode,
  checkActionCode,
  confirmPasswordReset,
  connectAuthEmulator,
  createUserWithEmailAndPassword,
  deleteUser,
  fetchSignInMethodsForEmail,
  getAuth,
  inMemoryPersistence,
  initializeAuth,
  isSignInWithEmailLink,
  linkWithCredential,
  sendEmailVerification,
  sendPasswordResetEmail,
  sendSignInLinkToEmail,
  signInAnonymously,
  signInWithCredential,
  signInWithCustomToken,
  signInWithEmailAndPassword,
  signInWithEmailLink,
  signOut,
  unlink,
  updatePassword,
  updateProfile,
  validatePassword,
  verifyBeforeUpdateEmail,
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

/** What the emulator would have sent, the newest last. */
async function sent(list) {
  const response = await fetch(`${suite.url('auth')}/emulator/v1/projects/${suite.project}/${list}`);
  return (await response.json())[list];
}

/** The newest code sent by email. */
async function code(requestType) {
  const codes = (await sent('oobCodes')).filter((code) => code.requestType === requestType);
  return codes.at(-1);
}

test('an email and a password sign up, in, and change', async () => {
  const auth = getAuth(app);
  const { user } = await createUserWithEmailAndPassword(auth, 'ada@example.com', 'lovelace');
  assert.equal(user.providerData[0].providerId, 'password');
  const again = createUserWithEmailAndPassword(auth, 'ADA@example.com', 'lovelace');
  await assert.rejects(again, { code: 'auth/email-already-in-use' });
  await assert.rejects(createUserWithEmailAndPassword(auth, 'x@example.com', 'short'), { code: 'auth/weak-password' });
  await updatePassword(user, 'analytical');
  await signOut(auth);
  const old = signInWithEmailAndPassword(auth, 'ada@example.com', 'lovelace');
  await assert.rejects(old, { code: 'auth/wrong-password' });
  const { user: same } = await signInWithEmailAndPassword(auth, 'ada@example.com', 'analytical');
  assert.equal(same.uid, user.uid);
  await assert.rejects(signInWithEmailAndPassword(auth, 'b@example.com', 'x'), { code: 'auth/user-not-found' });
});

test('codes from emails verify, change and reset', async () => {
  const auth = getAuth(app);
  const { user } = await createUserWithEmailAndPassword(auth, 'grace@example.com', 'hopper');
  await sendEmailVerification(user);
  await applyActionCode(auth, (await code('VERIFY_EMAIL')).oobCode);
  await user.reload();
  assert.equal(user.emailVerified, true);

  await verifyBeforeUpdateEmail(user, 'admiral@example.com');
  const change = await code('VERIFY_AND_CHANGE_EMAIL');
  const info = await checkActionCode(auth, change.oobCode);
  assert.deepEqual([info.data.previousEmail, info.data.email], ['grace@example.com', 'admiral@example.com']);
  assert.equal((await fetch(change.oobLink)).status, 200);
  assert.equal((await admin.getUser(user.uid)).email, 'admiral@example.com');

  await sendPasswordResetEmail(auth, 'admiral@example.com');
  const reset = (await code('PASSWORD_RESET')).oobCode;
  await confirmPasswordReset(auth, reset, 'compiler');
  await assert.rejects(confirmPasswordReset(auth, reset, 'compiler'), { code: 'auth/invalid-action-code' });
  assert.equal((await signInWithEmailAndPassword(auth, 'admiral@example.com', 'compiler')).user.uid, user.uid);
});

test('a link in an email signs in', async () => {
  const auth = getAuth(app);
  await signOut(auth);
  const settings = { url: 'http://localhost/done', handleCodeInApp: true };
  await sendSignInLinkToEmail(auth, 'link@example.com', settings);
  const { oobLink } = await code('EMAIL_SIGNIN');
  const { headers } = await fetch(oobLink, { redirect: 'manual' });
  const there = headers.get('location');
  assert.ok(there.startsWith('http://localhost/done?') && isSignInWithEmailLink(auth, there), there);
  const { user } = await signInWithEmailLink(auth, 'link@example.com', there);
  assert.equal(user.emailVerified, true);
  assert.deepEqual(await fetchSignInMethodsForEmail(auth, 'link@example.com'), ['emailLink']);
});

test("the app's own server vouches for a user by a custom token", async () => {
  const token = await admin.createCustomToken('vouched', { role: 'host' });
  const { user } = await signInWithCustomToken(getAuth(app), token);
  const { claims } = await user.getIdTokenResult();
  assert.deepEqual([user.uid, claims.role, claims.firebase.sign_in_provider], ['vouched', 'host', 'custom']);
  assert.equal((await user.getIdTokenResult(true)).claims.role, 'host');
});

test('identities at providers sign in, link, and are told apart', async () => {
  const auth = getAuth(app);
  const google = (claims) => GoogleAuthProvider.credential(JSON.stringify(claims));
  const { user } = await signInWithCredential(auth, google({ sub: '1', email: 'id@example.com', email_verified: true }));
  await linkWithCredential(user, EmailAuthProvider.credential('id@example.com', 'secret!'));
  const methods = await fetchSignInMethodsForEmail(auth, 'id@example.com');
  assert.deepEqual(methods.sort(), ['google.com', 'password']);
  await unlink(user, 'google.com');
  assert.deepEqual(user.providerData.map(({ providerId }) => providerId), ['password']);

  await createUserWithEmailAndPassword(auth, 'unverified@example.com', 'secret!');
  const stranger = signInWithCredential(auth, google({ sub: '2', email: 'unverified@example.com' }));
  await assert.rejects(stranger, { code: 'auth/account-exists-with-different-credential' });
});

test('the Admin SDK sets passwords, imports accounts and hands out links', async () => {
  const auth = getAuth(app);
  const made = await admin.createUser({ email: 'admin-made@example.com', password: 'first!' });
  await admin.updateUser(made.uid, { password: 'second!' });
  assert.equal((await signInWithEmailAndPassword(auth, 'admin-made@example.com', 'second!')).user.uid, made.uid);
  const imported = await admin.importUsers([
    { uid: 'imported', email: 'imported@example.com' },
    { uid: 'imported-too', email: 'imported-too@example.com' },
  ]);
  assert.deepEqual([imported.successCount, imported.failureCount], [2, 0]);
  for (const link of [
    await admin.generateEmailVerificationLink('imported@example.com'),
    await admin.generatePasswordResetLink('imported@example.com'),
    await admin.generateSignInWithEmailLink('imported@example.com', { url: 'http://localhost/', handleCodeInApp: true }),
  ]) {
    assert.match(link, /\/emulator\/action\?mode=/);
  }
});

test('a password policy is told, judged in the page, and enforced', async () => {
  const settings = `${suite.url('auth')}/identitytoolkit.googleapis.com/v2/projects/${suite.project}/config`;
  const set = (passwordPolicyConfig) =>
    fetch(`${settings}?updateMask=passwordPolicyConfig`, {
      method: 'PATCH',
      headers: { authorization: 'Bearer owner', 'content-type': 'application/json' },
      body: JSON.stringify({ passwordPolicyConfig }),
    });
  const customStrengthOptions = { minPasswordLength: 8, containsNumericCharacter: true, containsNonAlphanumericCharacter: true };
  const response = await set({
    passwordPolicyEnforcementState: 'ENFORCE',
    passwordPolicyVersions: [{ customStrengthOptions }],
  });
  assert.equal(response.status, 200);
  const weak = await validatePassword(getAuth(app), 'password');
  assert.deepEqual(
    [weak.isValid, weak.meetsMinPasswordLength, weak.containsNumericCharacter, weak.containsNonAlphanumericCharacter],
    [false, true, false, false],
  );
  assert.equal(weak.passwordPolicy.enforcementState, 'ENFORCE');
  assert.equal((await validatePassword(getAuth(app), 'pass1word!')).isValid, true);
  await assert.rejects(createUserWithEmailAndPassword(getAuth(app), 'policy@example.com', 'password'), {
    code: 'auth/password-does-not-meet-requirements',
  });
  await createUserWithEmailAndPassword(getAuth(app), 'policy@example.com', 'pass1word!');
  await signOut(getAuth(app));
  assert.equal((await set({ passwordPolicyEnforcementState: 'OFF' })).status, 200);
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
