// A user of a server in earnest has Apple end a token, by the official SDK; Apple is a provider on this machine.

import assert from 'node:assert/strict';
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { adminToken, startServer } from './suite.mjs';

let server;
let apple;

/** As much of Apple as is asked: who it is, its keys, and where tokens end. */
async function startApple() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig', alg: 'RS256' };
  const revoked = [];
  const listener = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.url === '/auth/revoke') {
      const form = Object.fromEntries(new URLSearchParams(text));
      revoked.push(form);
      response.writeHead(form.token === 'good' ? 200 : 400, { 'content-type': 'application/json' });
      response.end(form.token === 'good' ? '' : '{"error":"invalid_grant"}');
      return;
    }
    const answers = {
      '/.well-known/openid-configuration': {
        issuer: url, jwks_uri: `${url}/keys`, revocation_endpoint: `${url}/auth/revoke`,
        token_endpoint_auth_methods_supported: ['client_secret_post'],
      },
      '/keys': { keys: [jwk] },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers[request.url]));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = `http://127.0.0.1:${listener.address().port}`;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (claims) => {
    const now = Math.floor(Date.now() / 1000);
    const input = `${part({ alg: 'RS256', kid: 'key-1' })}.${part({ iss: url, iat: now, exp: now + 600, ...claims })}`;
    return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey).toString('base64url')}`;
  };
  return { url, token, revoked, stop: () => listener.close() };
}

before(async () => {
  server = await startServer();
  apple = await startApple();
  const path = `identitytoolkit.googleapis.com/v2/projects/${server.project}/defaultSupportedIdpConfigs?idpId=apple.com`;
  const response = await fetch(`${server.url('auth')}/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await adminToken(server)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ enabled: true, clientId: 'app', clientSecret: 'jwt', addresses: { issuer: apple.url } }),
  });
  assert.equal(response.status, 200, await response.text());
});

after(async () => {
  apple?.stop();
  assert.equal(await server.stop(), 0);
});

test('revokeAccessToken has the provider end the token', { timeout: 60_000 }, async () => {
  const { deleteApp, initializeApp } = await import('firebase/app');
  const sdk = await import('firebase/auth');
  const app = initializeApp({ apiKey: 'any', projectId: server.project }, 'revocation');
  try {
    const auth = sdk.initializeAuth(app, { persistence: sdk.inMemoryPersistence });
    sdk.connectAuthEmulator(auth, server.url('auth'), { disableWarnings: true });
    await sdk.signInAnonymously(auth);
    await assert.rejects(sdk.revokeAccessToken(auth, 'good'), { code: 'auth/operation-not-allowed' });
    const rawNonce = 'a random text';
    const nonce = createHash('sha256').update(rawNonce).digest('hex');
    const idToken = apple.token({ sub: '7', aud: 'app', nonce });
    await sdk.signInWithCredential(auth, new sdk.OAuthProvider('apple.com').credential({ idToken, rawNonce }));
    assert.deepEqual(apple.revoked, [], 'nobody is asked for a stranger');
    await sdk.revokeAccessToken(auth, 'good');
    const asked = { token: 'good', token_type_hint: 'access_token', client_id: 'app', client_secret: 'jwt' };
    assert.deepEqual(apple.revoked, [asked]);
    await assert.rejects(sdk.revokeAccessToken(auth, 'bad'), { code: 'auth/invalid-credential' });
  } finally {
    await deleteApp(app);
  }
});
