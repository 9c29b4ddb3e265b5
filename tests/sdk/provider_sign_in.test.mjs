// Popups and redirects of the official SDK in a real browser, against a server in earnest and identity providers on this
// machine: the code flow from the app's page to the provider and back.

import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startGithub, startOpenIdProvider } from './identity_providers.mjs';
import { startPages } from './pages.mjs';
import { startServer } from './suite.mjs';

const CLIENT = { clientId: 'app', clientSecret: 'a secret' };

let server;
let pages;
let oidc;
let github;
let api;
let app;

const named = (url) => url.replace('127.0.0.1', 'localhost');

/** An access token of the holder of the server's key. */
async function adminToken() {
  const file = join(server.folder, '.hearth', server.project, 'service-account.json');
  const key = JSON.parse(await readFile(file, 'utf8'));
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: key.client_email, sub: key.client_email, aud: key.token_uri, iat: now, exp: now + 3600,
    scope: 'https://www.googleapis.com/auth/identitytoolkit',
  };
  const input = `${part({ alg: 'RS256', typ: 'JWT', kid: key.private_key_id })}.${part(claims)}`;
  const assertion = `${input}.${createSign('RSA-SHA256').update(input).sign(key.private_key).toString('base64url')}`;
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const response = await fetch(`${api}/token`, { method: 'POST', body: new URLSearchParams({ grant_type, assertion }) });
  return (await response.json()).access_token;
}

async function configure(token, collection, id, config) {
  const parameter = { oauthIdpConfigs: 'oauthIdpConfigId', defaultSupportedIdpConfigs: 'idpId' }[collection];
  const path = `/identitytoolkit.googleapis.com/v2/projects/${server.project}/${collection}?${parameter}=${id}`;
  const response = await fetch(api + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...CLIENT, enabled: true, ...config }),
  });
  assert.equal(response.status, 200, await response.text());
}

before(async () => {
  server = await startServer();
  pages = await startPages();
  [api, app] = [named(server.url('auth')), named(pages.url)];
  oidc = await startOpenIdProvider(CLIENT);
  github = await startGithub(CLIENT);
  const token = await adminToken();
  await configure(token, 'oauthIdpConfigs', 'oidc.test', { issuer: oidc.url, responseType: { code: true } });
  const addresses = { web: github.url, api: `${github.url}/api` };
  await configure(token, 'defaultSupportedIdpConfigs', 'github.com', { addresses });
  await configure(token, 'defaultSupportedIdpConfigs', 'google.com', { addresses: { issuer: oidc.url } });
});

after(async () => {
  await pages?.stop();
  oidc?.stop();
  github?.stop();
  assert.equal(await server.stop(), 0);
});

/** A page with the SDK in it, as `window.sdk` and `window.auth`. */
async function open(context, url = app) {
  const page = await context.newPage();
  await page.goto(url);
  await begin(page);
  return page;
}

async function begin(page) {
  await page.addScriptTag({ url: `${api}/emulator/auth/gapi.js` });
  await page.evaluate(async ([url, projectId]) => {
    const { initializeApp } = await import('/firebase-app.js');
    window.sdk = await import('/firebase-auth.js');
    const app = initializeApp({ apiKey: 'any', projectId, authDomain: `${projectId}.firebaseapp.com` });
    window.auth = window.sdk.getAuth(app);
    window.sdk.connectAuthEmulator(window.auth, url, { disableWarnings: true });
    window.told = ({ user, operationType, providerId, _tokenResponse: { isNewUser } }) => ({
      uid: user.uid, email: user.email, verified: user.emailVerified, name: user.displayName, isNewUser: isNewUser === true,
      providers: user.providerData.map((info) => info.providerId).sort(), operationType, providerId,
    });
  }, [api, server.project]);
}

/** What comes of something that opens a popup, in which somebody presses a button; errors by their codes. */
async function popup(page, provider, act, button = '#in') {
  const opened = page.waitForEvent('popup');
  const done = page.evaluate(async ([act, id]) => {
    const { sdk, auth } = window;
    const provider = id === 'github.com' ? new sdk.GithubAuthProvider()
      : id === 'google.com' ? new sdk.GoogleAuthProvider() : new sdk.OAuthProvider(id);
    provider.setCustomParameters({ prompt: 'login', state: 'mine', redirect_uri: 'https://evil.example/' });
    try {
      return window.told(await sdk[act](act === 'signInWithPopup' ? auth : auth.currentUser, provider));
    } catch (error) {
      return error.code;
    }
  }, [act, provider]);
  const window = await opened;
  if (button) await window.click(button);
  return done;
}

test('a popup signs in by a code, and again as the same user', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  const page = await open(context);
  const first = await popup(page, 'oidc.test', 'signInWithPopup');
  assert.deepEqual({ ...first, uid: '' }, {
    uid: '', email: 'ada@example.org', verified: true, name: 'Ada', isNewUser: true, providers: ['oidc.test'],
    operationType: 'signIn', providerId: 'oidc.test',
  });
  const again = await popup(page, 'oidc.test', 'signInWithPopup');
  assert.deepEqual(again, { ...first, isNewUser: false });
  assert.deepEqual(await popup(page, 'oidc.test', 'reauthenticateWithPopup'), { ...again, operationType: 'reauthenticate' });
  const asked = oidc.asked.at(-1);
  assert.equal(asked.redirect_uri, `${api}/__/auth/handler`);
  assert.equal(asked.prompt, 'login');
  assert.deepEqual([asked.scope, asked.response_type], ['openid email profile', 'code']);
  // Nothing of it is left where others of the window could see it.
  assert.equal(await page.evaluate(() => window.frames.length > 0), true);
  await context.close();
});

test('who changes their mind is told of as the SDK has it', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  const page = await open(context);
  assert.equal(await popup(page, 'oidc.test', 'signInWithPopup', '#cancel'), 'auth/user-cancelled');
  assert.equal(await popup(page, 'oidc.unknown', 'signInWithPopup', ''), 'auth/operation-not-allowed');
  assert.equal(await popup(page, 'oidc.test', 'signInWithPopup').then(({ email }) => email), 'ada@example.org');
  await context.close();
});

test('a redirect signs in', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  const page = await open(context);
  const go = async (button) => {
    await page.evaluate(() => {
      const { sdk, auth } = window;
      void sdk.signInWithRedirect(auth, new sdk.GoogleAuthProvider());
    });
    await page.waitForURL(`${oidc.url}/**`);
    await page.click(button);
    await page.waitForURL(app);
    await begin(page);
    return page.evaluate(async () => {
      const { sdk, auth } = window;
      return sdk.getRedirectResult(auth).then((result) => {
        const credential = sdk.GoogleAuthProvider.credentialFromResult(result);
        return { ...window.told(result), tokens: [Boolean(credential.idToken), credential.accessToken] };
      }, (error) => error.code);
    });
  };
  assert.equal(await go('#cancel'), 'auth/user-cancelled');
  const result = await go('#in');
  // The email is verified, so that it is the same person's account.
  assert.deepEqual([result.email, result.providers, result.operationType], ['ada@example.org', ['google.com', 'oidc.test'], 'signIn']);
  assert.deepEqual(result.tokens, [true, 'at-1']);
  assert.match(oidc.asked.at(-1).scope, /^openid email profile$/);
  await context.close();
});

test('GitHub links to who is signed in, and then signs in', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  const page = await open(context);
  const { uid } = await page.evaluate(async () => (await window.sdk.signInAnonymously(window.auth)).user.toJSON());
  const linked = await popup(page, 'github.com', 'linkWithPopup');
  assert.deepEqual(linked, {
    uid, email: 'grace@example.org', verified: true, name: null, isNewUser: false, providers: ['github.com'],
    operationType: 'link', providerId: 'github.com',
  });
  assert.equal(await popup(page, 'github.com', 'linkWithPopup'), 'auth/credential-already-in-use');
  assert.equal((await popup(page, 'github.com', 'signInWithPopup')).uid, uid);
  // The same by the token that the app has got itself, unless it is another app's.
  const byToken = (token) => page.evaluate(async (token) => {
    const { sdk, auth } = window;
    try {
      const result = await sdk.signInWithCredential(auth, sdk.GithubAuthProvider.credential(token));
      return { uid: result.user.uid, login: sdk.getAdditionalUserInfo(result).username };
    } catch (error) {
      return error.code;
    }
  }, token);
  assert.deepEqual(await byToken(github.give(CLIENT.clientId)), { uid, login: 'grace' });
  assert.equal(await byToken(github.give('another app')), 'auth/invalid-credential');
  assert.equal(await byToken('made up'), 'auth/invalid-credential');
  await context.close();
});

test('an email that the provider does not vouch for is asked to be linked, and can be', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  const page = await open(context);
  oidc.user = { sub: '8', email: 'grace@example.org', email_verified: false };
  const opened = page.waitForEvent('popup');
  const done = page.evaluate(async (token) => {
    const { sdk, auth } = window;
    const error = await sdk.signInWithPopup(auth, new sdk.OAuthProvider('oidc.test')).catch((error) => error);
    const pending = sdk.OAuthProvider.credentialFromError(error);
    const { user } = await sdk.signInWithCredential(auth, sdk.GithubAuthProvider.credential(token));
    const linked = await sdk.linkWithCredential(user, pending);
    return { code: error.code, providers: linked.user.providerData.map((info) => info.providerId).sort() };
  }, github.give(CLIENT.clientId));
  await (await opened).click('#in');
  assert.deepEqual(await done, {
    code: 'auth/account-exists-with-different-credential', providers: ['github.com', 'oidc.test'],
  });
  await context.close();
});

test('pages of strangers get nothing, and a sign-in counts in its own window only', { timeout: 60_000 }, async () => {
  const context = await pages.browser.newContext();
  // The same pages by another name are another host's, which nobody has authorised.
  const stranger = await context.newPage();
  const evil = pages.url.replace('127.0.0.1', 'stranger.localhost');
  await stranger.goto(evil);
  const frame = `${api}/emulator/auth/iframe?apiKey=any&appName=%5BDEFAULT%5D`;
  const listen = async (url) => {
    const frame = document.createElement('iframe');
    frame.src = url;
    frame.name = 'hearth-gapi';
    const heard = [];
    addEventListener('message', ({ data }) => heard.push(data));
    document.body.append(frame);
    await new Promise((loaded) => frame.addEventListener('load', loaded));
    // Whatever the frame has said is there before what this page says now.
    await new Promise((said) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = said;
      port2.postMessage('now');
    });
    return heard.length;
  };
  assert.equal(await stranger.evaluate(listen, frame), 0, 'the frame is not shown');
  const asStranger = `${api}/emulator/auth/handler?apiKey=any&appName=x&authType=signInViaRedirect&providerId=oidc.test`
    + `&redirectUrl=${encodeURIComponent(evil)}`;
  assert.equal((await stranger.goto(asStranger)).status(), 400);
  // Somebody else's answer, led to by a link.
  await stranger.goto(`${api}/__/auth/handler?code=theirs&state=theirs`);
  await stranger.waitForFunction(() => document.getElementById('status').textContent.startsWith('This sign-in has not begun'));
  assert.equal(new URL(stranger.url()).search, '', 'the code is not kept');
  const markup = encodeURIComponent('<img src=x onerror=document.title="run">');
  await stranger.goto(`${api}/__/auth/handler?error=${markup}&state=${markup}`);
  assert.equal(await stranger.title(), 'Signing in');
  await context.close();
});

test('secrets and codes are not in the log', () => {
  for (const secret of [CLIENT.clientSecret, 'at-1', 'gho_', 'code=']) {
    assert.ok(!server.output().includes(secret), `${secret}: ${server.output()}`);
  }
});
