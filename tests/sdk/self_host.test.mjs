// A server in earnest and the official Admin SDK: signed tokens that it verifies by the published keys, and the
// service-account key that the first start writes. The SDK knows no other names than Google's; here an agent leads them
// to the server, as a name server and a certificate do elsewhere.

import assert from 'node:assert/strict';
import { createHash, createPublicKey, createSign, createVerify, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startServer } from './suite.mjs';

let server;
let key;
let auth;
let adminApp;
let adminAuth;

/** Leads every connection to the server, in the clear. */
class Detour extends https.Agent {
  createConnection(_, connected) {
    const { host, port } = server.ports.auth;
    const socket = net.connect(port, host, () => connected(null, socket));
    socket.on('error', connected);
  }
}

async function post(path, body) {
  const response = await fetch(`${server.url('auth')}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** Auth of an app with this key. */
function authOf(name, key) {
  const httpAgent = https.globalAgent;
  return adminAuth.getAuth(adminApp.initializeApp({ credential: adminApp.cert(key, httpAgent), httpAgent }, name));
}

const signUp = () => post('/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any', { returnSecureToken: true });

before(async () => {
  server = await startServer();
  const file = join(server.folder, '.hearth', server.project, 'service-account.json');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  key = JSON.parse(await readFile(file, 'utf8'));
  https.globalAgent = new Detour();
  adminApp = await import('firebase-admin/app');
  adminAuth = await import('firebase-admin/auth');
  auth = authOf('holder', key);
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

test('the holder of the key is an admin', async () => {
  const { localId } = await signUp();
  assert.equal((await auth.getUser(localId)).uid, localId);
  await auth.updateUser(localId, { displayName: 'Ada' });
  assert.equal((await auth.getUser(localId)).displayName, 'Ada');
  assert.ok((await auth.listUsers(10)).users.some(({ uid }) => uid === localId));
  await auth.deleteUser(localId);
  await assert.rejects(auth.getUser(localId), { code: 'auth/user-not-found' });
});

test('ID tokens verify by the published certificates, and end when they are revoked', async () => {
  const { idToken, localId } = await signUp();
  const claims = await auth.verifyIdToken(idToken, true);
  assert.equal(claims.uid, localId);
  const [header, body] = idToken.split('.');
  const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${body}.`;
  await assert.rejects(auth.verifyIdToken(unsigned), { code: 'auth/argument-error' });
  await assert.rejects(auth.verifyIdToken(`${header}.${body}.AAAA`), { code: 'auth/argument-error' });
  // Revocation counts in seconds: what was signed in the same one is good until the next.
  const signed = claims.auth_time;
  let revoked;
  do {
    await auth.revokeRefreshTokens(localId);
    revoked = await auth.verifyIdToken(idToken, true).then(() => undefined, (error) => error);
  } while (!revoked && Date.now() < (signed + 5) * 1000);
  assert.equal(revoked?.code, 'auth/id-token-revoked');
});

test('session cookies verify as cookies and as nothing else', async () => {
  const { idToken, localId } = await signUp();
  const cookie = await auth.createSessionCookie(idToken, { expiresIn: 300_000 });
  assert.equal((await auth.verifySessionCookie(cookie, true)).uid, localId);
  await assert.rejects(auth.verifyIdToken(cookie), { code: 'auth/argument-error' });
  await assert.rejects(auth.verifySessionCookie(idToken), { code: 'auth/argument-error' });
  assert.match(
    JSON.stringify(await post('/identitytoolkit.googleapis.com/v1/accounts:lookup?key=any', { idToken: cookie })),
    /INVALID_ID_TOKEN/,
  );
});

test('certificates and key sets publish the same keys', async () => {
  const get = async (path) => (await fetch(`${server.url('auth')}${path}`)).json();
  const certificates = await get('/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com');
  const { keys } = await get('/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com');
  assert.deepEqual(Object.keys(certificates), keys.map(({ kid }) => kid));
  const { idToken } = await signUp();
  const [header, body, signature] = idToken.split('.');
  for (const jwk of keys) {
    const certificate = new X509Certificate(certificates[jwk.kid]);
    assert.equal(certificate.verify(certificate.publicKey), true, 'it has signed itself');
    assert.match(certificate.subject, /securetoken/);
    assert.ok(Date.parse(certificate.validFrom) <= Date.now() && Date.now() < Date.parse(certificate.validTo));
    assert.ok(certificate.publicKey.equals(createPublicKey({ key: jwk, format: 'jwk' })));
    const verify = createVerify('RSA-SHA256').update(`${header}.${body}`);
    assert.ok(verify.verify(certificate.publicKey, Buffer.from(signature, 'base64url')));
  }
});

test('another key is nobody', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const forged = { ...key, private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
  await assert.rejects(authOf('stranger', forged).listUsers(1), { code: 'app/invalid-credential' });
});

test('the key is an admin of the database, too', async () => {
  const { access_token: token } = await adminApp.cert(key, https.globalAgent).getAccessToken();
  const url = `${server.url('database')}/secret.json?ns=${server.project}`;
  const put = (headers) => fetch(url, { method: 'PUT', body: '1', headers });
  assert.equal((await put({})).status, 401);
  assert.equal((await put({ authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await fetch(`${url}&access_token=${token}`)).status, 200);
  assert.equal((await put({ authorization: 'Bearer owner' })).status, 401);
});

/** An OpenID Connect issuer on a free port, and tokens of it. */
async function startIssuer() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig', alg: 'RS256' };
  const listener = http.createServer((request, response) => {
    const answers = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys` },
      '/keys': { keys: [jwk] },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers[request.url]));
  });
  await new Promise((listening) => listener.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (claims) => {
    const now = Math.floor(Date.now() / 1000);
    const body = { iss: issuer, sub: '7', aud: 'app', iat: now, exp: now + 600, ...claims };
    const input = `${part({ alg: 'RS256', kid: 'key-1' })}.${part(body)}`;
    return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey).toString('base64url')}`;
  };
  return { url: issuer, token, stop: () => listener.close() };
}

test('an OpenID Connect provider that an admin configures signs users in', async () => {
  const issuer = await startIssuer();
  const { deleteApp, initializeApp } = await import('firebase/app');
  const client = await import('firebase/auth');
  const app = initializeApp({ apiKey: 'any', projectId: server.project }, 'provider');
  const users = client.initializeAuth(app, { persistence: client.inMemoryPersistence });
  client.connectAuthEmulator(users, server.url('auth'), { disableWarnings: true });
  const provider = new client.OAuthProvider('oidc.test');
  const rawNonce = 'a random text';
  const nonce = createHash('sha256').update(rawNonce).digest('hex');
  const signIn = (claims, more) =>
    client.signInWithCredential(users, provider.credential({ idToken: issuer.token(claims), rawNonce, ...more }));
  try {
    await assert.rejects(signIn({ nonce }), { code: 'auth/operation-not-allowed' });
    const config = { providerId: 'oidc.test', issuer: issuer.url, clientId: 'app', enabled: true, displayName: 'T' };
    const made = await auth.createProviderConfig({ ...config, responseType: { idToken: true } });
    assert.equal(made.issuer, issuer.url);
    await assert.rejects(auth.createProviderConfig(config), { code: 'auth/configuration-exists' });

    const { user } = await signIn({ nonce, email: 'ada@example.org', email_verified: true, name: 'Ada' });
    assert.deepEqual([user.email, user.emailVerified, user.displayName], ['ada@example.org', true, 'Ada']);
    const { firebase } = await auth.verifyIdToken(await user.getIdToken());
    assert.equal(firebase.sign_in_provider, 'oidc.test');
    assert.deepEqual(firebase.identities['oidc.test'], ['7']);
    assert.equal((await signIn({ nonce })).user.uid, user.uid);

    await assert.rejects(signIn({ nonce }, { rawNonce: 'other' }), { code: 'auth/missing-or-invalid-nonce' });
    await assert.rejects(signIn({ nonce, aud: 'other' }), { code: 'auth/invalid-credential' });
    await assert.rejects(signIn({ nonce, exp: 1 }), { code: 'auth/invalid-credential' });
    await auth.updateProviderConfig('oidc.test', { enabled: false });
    await assert.rejects(signIn({ nonce }), { code: 'auth/operation-not-allowed' });
    const google = client.GoogleAuthProvider.credential(issuer.token({}));
    await assert.rejects(client.signInWithCredential(users, google), { code: 'auth/operation-not-allowed' });
  } finally {
    await auth.deleteProviderConfig('oidc.test').catch(() => {});
    await deleteApp(app);
    issuer.stop();
  }
  await assert.rejects(auth.getProviderConfig('oidc.test'), { code: 'auth/configuration-not-found' });
});
