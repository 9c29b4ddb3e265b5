// Chat in a real browser: two pages that talk, and one that may not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPages } from './pages.mjs';
import { startSuite } from './suite.mjs';

let suite;
let pages;

before(async () => {
  pages = await startPages();
  const origins = ['https://elsewhere.example', new URL(pages.url).origin];
  suite = await startSuite({ sections: { chat: { origins } } });
});

after(async () => {
  await pages?.stop();
  assert.equal(await suite?.stop(), 0);
});

/** An ID token of somebody with this name and group. */
async function signIn(username, group) {
  const token = JSON.stringify({ uid: `uid-of-${username}`, claims: { username, user_group: group } });
  const answer = await fetch(
    `${suite.url('auth')}/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken?key=k`,
    {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, returnSecureToken: true }),
    },
  );
  return (await answer.json()).idToken;
}

/** A page of somebody, with what its app would have: `ask`, `open`, `say`, and all that it has heard. */
async function openPage(username, group) {
  const context = await pages.browser.newContext();
  const page = await context.newPage();
  await page.goto(pages.url);
  await page.evaluate(
    ({ url, idToken }) => {
      window.heard = [];
      window.ask = async (path) => {
        const answer = await fetch(url + path, { headers: { Authorization: `Bearer ${idToken}` } });
        return { status: answer.status, total: answer.headers.get('X-Total-Count'), ...(await answer.json()) };
      };
      window.open = async () => {
        const { result } = await window.ask('/ws_token');
        window.token = result.token;
        window.socket = new WebSocket(`${url.replace('http', 'ws')}/ws?token=${result.token}`);
        window.socket.onmessage = ({ data }) => window.heard.push(JSON.parse(data));
        await new Promise((resolve, reject) => {
          window.socket.onopen = resolve;
          window.socket.onerror = () => reject(new Error('refused'));
        });
      };
      window.say = (to, message) => window.socket.send(JSON.stringify({ username_to: to, message }));
    },
    { url: suite.url('chat'), idToken: await signIn(username, group) },
  );
  return page;
}

const heard = (page, count) =>
  page.waitForFunction((count) => window.heard.length >= count, count).then(() => page.evaluate(() => window.heard));

test('two pages chat, and see each other come and go', { timeout: 60_000 }, async () => {
  const ann = await openPage('ann', 'red');
  const bob = await openPage('bob', 'red');
  await ann.evaluate(() => window.open());
  await bob.evaluate(() => window.open());
  assert.deepEqual(await heard(ann, 1), [{ username: 'bob', active: true }]);
  await ann.evaluate(() => window.say('bob', 'hello "bob" 🙂'));
  const [message] = await heard(bob, 1);
  assert.deepEqual((await heard(ann, 2))[1], message);
  assert.deepEqual(Object.keys(message), ['id', 'username_from', 'username_to', 'message', 'created']);
  assert.equal(message.message, 'hello "bob" 🙂');
  assert.ok(Math.abs(Date.now() - Date.parse(message.created)) < 60_000);
  await bob.evaluate(() => window.say('ann', 'hello ann'));
  const answer = (await heard(ann, 3))[2];
  assert.equal(answer.username_from, 'bob');

  const history = await ann.evaluate(() => window.ask('/messages?from=ann&to=bob'));
  assert.deepEqual(history, { status: 200, total: '2', result: [message, answer], message: null });
  const connections = await bob.evaluate(() => window.ask('/connections'));
  assert.deepEqual(connections.result, [
    { username: 'ann', active: true },
    { username: 'bob', active: true },
  ]);
  // A tab that is closed says no goodbye.
  await bob.close();
  assert.deepEqual((await heard(ann, 4))[3], { username: 'bob', active: false });
});

test('a page is told what it did wrong, and a used token opens nothing', { timeout: 60_000 }, async () => {
  const eve = await openPage('eve', 'blue');
  await eve.evaluate(() => window.open());
  await eve.evaluate(() => window.say('ann', 'let me in'));
  assert.deepEqual(await heard(eve, 1), [{ result: null, message: [{ message: 'username_to is unknown' }] }]);
  const again = await eve.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${url}/ws?token=${window.token}`);
        socket.onopen = () => resolve('open');
        socket.onclose = ({ code }) => resolve(code);
      }),
    suite.url('chat').replace('http', 'ws'),
  );
  assert.equal(again, 1006);
});

test('a page of an origin that is not listed reads nothing', { timeout: 60_000 }, async () => {
  const page = await pages.browser.newPage();
  await page.goto(pages.url.replace('127.0.0.1', 'localhost'));
  const read = await page.evaluate(
    (url) => fetch(`${url}/healthz`).then(() => 'read', (error) => error.name),
    suite.url('chat'),
  );
  assert.equal(read, 'TypeError');
});
