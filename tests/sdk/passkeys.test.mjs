// Passkeys of a server in earnest, made and shown by a real browser with an authenticator in software, by the code that
// docs/self-hosting.md shows; and the domain that an admin settles.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPages } from './pages.mjs';
import { adminToken, startServer } from './suite.mjs';

let pages;
let server;
let origin;

before(async () => {
  pages = await startPages();
  // Browsers know passkeys by names, not by addresses.
  origin = pages.url.replace('127.0.0.1', 'localhost').replace(/\/$/, '');
  server = await startServer({ sections: { auth: { passkeys: { rpId: 'localhost', origins: [origin] } } } });
});

after(async () => {
  await pages?.stop();
  assert.equal(await server.stop(), 0);
});

/** A page with an authenticator of its own, which finds out who is there by itself. */
async function open(changes = {}) {
  const context = await pages.browser.newContext();
  const page = await context.newPage();
  await page.goto(origin);
  const session = await context.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...changes,
    },
  });
  await page.evaluate((base) => {
    const ask = async (path, body) => {
      const response = await fetch(`${base}/identitytoolkit.googleapis.com/${path}?key=any`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const answer = await response.json();
      if (answer.error) throw new Error(answer.error.message);
      return answer;
    };
    const enroll = async (idToken, name) => {
      const { credentialCreationOptions } = await ask('v2/accounts/passkeyEnrollment:start', { idToken });
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(credentialCreationOptions);
      const credential = await navigator.credentials.create({ publicKey });
      const authenticatorRegistrationResponse = credential.toJSON();
      return ask('v2/accounts/passkeyEnrollment:finalize', { idToken, name, authenticatorRegistrationResponse });
    };
    const show = async () => {
      const { credentialRequestOptions } = await ask('v2/accounts/passkeySignIn:start', {});
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(credentialRequestOptions);
      const credential = await navigator.credentials.get({ publicKey });
      return credential.toJSON();
    };
    const finish = (authenticatorAuthenticationResponse) =>
      ask('v2/accounts/passkeySignIn:finalize', { authenticatorAuthenticationResponse });
    Object.assign(window, { ask, enroll, show, finish });
  }, server.url('auth'));
  return { page, session, authenticatorId };
}

const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

test('a passkey opens its account again and again', { timeout: 60_000 }, async () => {
  const { page, session, authenticatorId } = await open();
  const { user, enrolled, again } = await page.evaluate(async () => {
    const user = await ask('v1/accounts:signUp', { returnSecureToken: true });
    const enrolled = await enroll(user.idToken, 'Laptop');
    const again = await enroll(user.idToken, 'Laptop').then(() => 'made', (error) => error.name);
    return { user, enrolled, again };
  });
  assert.equal(enrolled.localId, user.localId);
  assert.equal(again, 'InvalidStateError', 'the browser knows that this authenticator has one');
  for (const _ of [1, 2]) {
    const { signedIn, replayed, account } = await page.evaluate(async () => {
      const shown = await show();
      const signedIn = await finish(shown);
      const replayed = await finish(shown).then(() => 'let in', (error) => error.message);
      const account = (await ask('v1/accounts:lookup', { idToken: signedIn.idToken })).users[0];
      return { signedIn, replayed, account };
    });
    assert.equal(signedIn.localId, user.localId);
    assert.match(replayed, /^INVALID_AUTHENTICATOR_RESPONSE : /);
    const { firebase, user_id: uid } = claims(signedIn.idToken);
    assert.deepEqual([firebase.sign_in_provider, uid], ['passkey', user.localId]);
    assert.equal(account.passkeyInfo[0].name, 'Laptop');
  }
  const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].rpId, 'localhost');
  assert.equal(Buffer.from(credentials[0].userHandle, 'base64').length, 48);
  const removed = await page.evaluate(async () => {
    const { idToken } = await finish(await show());
    const { users } = await ask('v1/accounts:lookup', { idToken });
    const deletePasskey = users[0].passkeyInfo.map(({ credentialId }) => credentialId);
    await ask('v1/accounts:update', { idToken, deletePasskey });
    return finish(await show()).then(() => 'let in', (error) => error.message);
  });
  assert.equal(removed, 'PASSKEY_CREDENTIAL_NOT_FOUND');
});

test('whoever is not known by the authenticator gets nowhere', { timeout: 60_000 }, async () => {
  const { page } = await open({ isUserVerified: false });
  const refused = await page.evaluate(async () => {
    const { idToken } = await ask('v1/accounts:signUp', { returnSecureToken: true });
    return enroll(idToken, 'Laptop').then(() => 'made', (error) => error.name);
  });
  assert.equal(refused, 'NotAllowedError');
});

test("an admin settles the domain by the API's own name for it", { timeout: 60_000 }, async () => {
  const token = await adminToken(server);
  const config = async (method, body, mask = '') => {
    const path = `identitytoolkit.googleapis.com/v2/projects/${server.project}/passkeyConfig${mask}`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${server.url('auth')}/${path}`, { method, headers, body: body && JSON.stringify(body) });
    return response.json();
  };
  assert.deepEqual((await config('GET')).expectedOrigins, [origin]);
  const mask = '?updateMask=rpId,expectedOrigins';
  const settled = await config('PATCH', { rpId: 'localhost', expectedOrigins: ['http://localhost:1'] }, mask);
  assert.deepEqual(settled.expectedOrigins, ['http://localhost:1']);
  const { page } = await open();
  const enrolling = () =>
    page.evaluate(async () => {
      const { idToken } = await ask('v1/accounts:signUp', { returnSecureToken: true });
      return enroll(idToken, 'Laptop').then(() => 'made', (error) => error.message);
    });
  assert.equal(await enrolling(), 'INVALID_AUTHENTICATOR_RESPONSE : The origin is not one of those expected');
  await config('PATCH', {}, mask);
  assert.equal(await enrolling(), 'made');
});
