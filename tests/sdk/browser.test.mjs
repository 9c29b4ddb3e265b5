// A real browser on a page of another origin: what it may read, and what it gets.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPages } from './pages.mjs';
import { ENFORCED, startSuite } from './suite.mjs';

let suite;
let page;
let pages;

before(async () => {
  suite = await startSuite({ runtime: ENFORCED });
  pages = await startPages();
  page = await pages.browser.newPage();
  await page.goto(pages.url);
});

after(async () => {
  await pages?.stop();
  assert.equal(await suite.stop(), 0);
});

test('a page signs in, starts a session, pushes, and hears itself', { timeout: 60_000 }, async () => {
  const result = await page.evaluate(
    async ({ auth, functions, pushStream }) => {
      const { initializeApp } = await import('/firebase-app.js');
      const sdk = await import('/firebase-auth.js');
      const authentication = sdk.getAuth(initializeApp({ apiKey: 'any', projectId: 'demo-sdk' }));
      sdk.connectAuthEmulator(authentication, auth, { disableWarnings: true });
      const { user } = await sdk.signInAnonymously(authentication);
      const update = { timestamp: 1767225600000, uri: 'spotify:track:x', position: 1, playing: true };
      const call = (name, method, headers, body) =>
        fetch(`${functions}/demo-sdk/us-central1/${name}`, {
          method,
          headers: { Authorization: headers.id, 'Content-Type': 'application/json', ...headers.session },
          body: body && JSON.stringify(body),
        });
      const id = `Bearer ${await user.getIdToken()}`;
      const started = await (await call('startSession', 'POST', { id }, update)).json();
      const source = new EventSource(`${pushStream}/sub/${started.session}.b1`);
      const heard = [];
      const two = new Promise((resolve) => {
        source.onmessage = ({ data }) => heard.push(data) === 2 && resolve();
      });
      await new Promise((resolve) => (source.onopen = resolve));
      const session = { 'X-Session-Token': started.token };
      const pushed = await call('pushUpdate', 'POST', { id, session }, { ...update, position: 2 });
      await two;
      source.close();
      const early = await call('refreshToken', 'GET', { id, session });
      return {
        heard,
        pushed: { status: pushed.status, body: await pushed.json() },
        early: { status: early.status, retryAfter: Number(early.headers.get('Retry-After')) },
      };
    },
    { auth: suite.url('auth'), functions: suite.url('functions'), pushStream: suite.url('pushStream') },
  );
  const message = (position) =>
    JSON.stringify({ timestamp: 1767225600000, uri: 'spotify:track:x', position, playing: true });
  assert.deepEqual(result.heard, [message(1), message(2)]);
  assert.equal(result.pushed.status, 200);
  assert.equal(result.pushed.body.subscribers, 1);
  assert.equal(result.early.status, 425);
  // The browser may read this header only because it is exposed.
  assert.ok(result.early.retryAfter > 0 && result.early.retryAfter <= 1500, String(result.early.retryAfter));
});

test('a page reads the refusals too', async () => {
  const statuses = await page.evaluate(
    async ({ functions, database, auth }) => {
      const status = async (url, init) => (await fetch(url, init)).status;
      return [
        await status(`${functions}/demo-sdk/us-central1/startSession`, { method: 'POST' }),
        await status(`${functions}/demo-sdk/us-central1/nosuch`),
        await status(`${database}/a.json`, { method: 'PUT', body: 'not JSON' }),
        await status(`${auth}/identitytoolkit.googleapis.com/v1/accounts:lookup?key=k`, { method: 'POST', body: '{}' }),
      ];
    },
    { functions: suite.url('functions'), database: suite.url('database'), auth: suite.url('auth') },
  );
  assert.deepEqual(statuses, [401, 404, 400, 400]);
});
