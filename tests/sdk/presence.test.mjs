// Presence with real clients: npm's EventSource, a browser's EventSource and fetch, ID tokens of the official SDK's kind.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { startBetween } from './between.mjs';
import { startPages } from './pages.mjs';
import { startSuite } from './suite.mjs';

let suite;
let pages;
let page;

before(async () => {
  suite = await startSuite({ sections: { presence: { identifiedSubscribers: true } } });
  pages = await startPages();
  page = await pages.browser.newPage();
  await page.goto(pages.url);
});

after(async () => {
  await pages?.stop();
  assert.equal(await suite.stop(), 0);
});

/** A new account: its id and an ID token. */
async function signUp() {
  const url = `${suite.url('auth')}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k`;
  const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  const { localId, idToken } = await answer.json();
  return { uid: localId, token: idToken };
}

async function ping(token, status) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`${suite.url('presence')}/ping`, { method: 'POST', headers, body: JSON.stringify({ status }) });
  assert.deepEqual([answer.status, await answer.text()], [200, '']);
}

/** Waits until `holds` does, after each of these events of `source`. */
async function until(source, name, holds) {
  while (!holds()) await new Promise((resolve) => source.addEventListener(name, resolve, { once: true }));
}

test("npm's EventSource hears the last ping and each one after it", { timeout: 60_000 }, async () => {
  const { uid, token } = await signUp();
  await ping(token, '0');
  const source = new EventSource(`${suite.url('presence')}/subscribe/${uid}/client/npm?token=${token}`);
  const heard = [];
  source.onmessage = ({ data }) => heard.push(JSON.parse(data));
  await until(source, 'message', () => heard.length === 1);
  await ping(token, 'out to lunch\n\ndata: forged');
  await until(source, 'message', () => heard.length === 2);
  assert.deepEqual(heard.map(({ status }) => status), ['0', 'out to lunch\n\ndata: forged']);
  assert.ok(heard.every(({ time }) => Number.isInteger(time) && Math.abs(time - Date.now() / 1000) < 60));
  source.close();
});

test("npm's EventSource learns that a token is refused", { timeout: 60_000 }, async () => {
  const source = new EventSource(`${suite.url('presence')}/subscribe/ann?token=nonsense`);
  const error = await new Promise((resolve) => source.addEventListener('error', resolve, { once: true }));
  assert.equal(error.code, 401);
  assert.equal(source.readyState, EventSource.CLOSED);
});

test("a browser's page of another origin pings and subscribes", { timeout: 60_000 }, async () => {
  const { uid, token } = await signUp();
  const heard = await page.evaluate(
    async ({ url, uid, token }) => {
      const ping = (status) =>
        fetch(`${url}/ping`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
          body: JSON.stringify({ status }),
        });
      const source = new EventSource(`${url}/subscribe/${uid}?token=${token}`);
      await new Promise((resolve) => (source.onopen = resolve));
      const heard = [];
      const all = new Promise((resolve) => {
        source.onmessage = ({ data, type, lastEventId }) => {
          heard.push([type, lastEventId, JSON.parse(data).status]);
          if (heard.length === 3) resolve();
        };
      });
      const statuses = [];
      for (const status of ['0', '1', 'été 🙂']) statuses.push((await ping(status)).status);
      await all;
      source.close();
      const refused = await fetch(`${url}/ping`, { method: 'POST', body: 'nonsense' });
      return { heard, statuses, refused: [refused.status, await refused.json()] };
    },
    { url: suite.url('presence'), uid, token },
  );
  assert.deepEqual(heard.heard, [['message', '', '0'], ['message', '', '1'], ['message', '', 'été 🙂']]);
  assert.deepEqual(heard.statuses, [200, 200, 200]);
  assert.deepEqual(heard.refused, [400, { error: 'neither X-User-Claim nor an ID token says who is asking' }]);
});

test("a browser's EventSource that is cut off comes back to the last ping", { timeout: 60_000 }, async () => {
  const { uid, token } = await signUp();
  const between = await startBetween(suite.ports.presence);
  await ping(token, 'before');
  await page.evaluate((url) => {
    window.heard = [];
    window.source = new EventSource(url);
    window.source.onmessage = ({ data }) => window.heard.push(JSON.parse(data).status);
  }, `${between.url}/subscribe/${uid}?token=${token}`);
  await page.waitForFunction(() => window.heard.length === 1);
  between.cut();
  await ping(token, 'meanwhile');
  await page.waitForFunction(() => window.heard.at(-1) === 'meanwhile');
  assert.deepEqual(await page.evaluate(() => window.heard), ['before', 'meanwhile']);
  await page.evaluate(() => window.source.close());
  between.close();
});
