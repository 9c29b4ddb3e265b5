// The push stream's modes with real clients: npm's EventSource, a browser's EventSource, WebSocket and fetch.

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
  const channels = { channels_path: '$1', allowed_origins: '*' };
  suite = await startSuite({
    pushStream: {
      max_messages_stored_per_channel: 3,
      locations: [
        { path: '/pub', role: 'publisher', mode: 'admin', channels_path: '$arg_id', store_messages: true, allowed_origins: '*' },
        { path: '~ ^/events/(.*)$', role: 'subscriber', mode: 'eventsource', server_event_ids: true, ...channels },
        { path: '~ ^/plain/(.*)$', role: 'subscriber', mode: 'eventsource', ...channels },
        { path: '~ ^/poll/(.*)$', role: 'subscriber', mode: 'long-polling', ...channels },
        { path: '~ ^/ws/(.*)$', role: 'subscriber', mode: 'websocket', websocket_allow_publish: true, store_messages: true, ...channels },
      ],
    },
  });
  pages = await startPages();
  page = await pages.browser.newPage();
  await page.goto(pages.url);
});

after(async () => {
  await pages?.stop();
  assert.equal(await suite.stop(), 0);
});

async function publish(channel, body, headers = {}) {
  const answer = await fetch(`${suite.url('pushStream')}/pub?id=${channel}`, { method: 'POST', body, headers });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** Waits until `holds` does, after each of these events of `source`. */
async function until(source, names, holds) {
  while (!holds()) {
    await new Promise((resolve) => names.forEach((name) => source.addEventListener(name, resolve, { once: true })));
  }
}

test("npm's EventSource comes back by itself and gets what it missed", { timeout: 60_000 }, async () => {
  const between = await startBetween(suite.ports.pushStream);
  const source = new EventSource(`${between.url}/events/npm.b1`);
  const heard = [];
  const gaps = [];
  source.addEventListener('message', ({ data }) => heard.push(data));
  source.addEventListener('gap', ({ data }) => gaps.push(JSON.parse(data)));
  await until(source, ['open'], () => source.readyState === EventSource.OPEN);
  await publish('npm', '1');
  await until(source, ['message'], () => heard.length === 1);
  between.cut();
  await publish('npm', '2');
  await publish('npm', '3');
  await until(source, ['message'], () => heard.length === 3);
  assert.deepEqual([heard, gaps], [['1', '2', '3'], []]);
  between.cut();
  for (const body of ['4', '5', '6', '7']) await publish('npm', body);
  await until(source, ['message'], () => heard.at(-1) === '7');
  assert.deepEqual(heard, ['1', '2', '3', '5', '6', '7']);
  assert.equal(gaps.length, 1);
  assert.equal(gaps[0].channel, 'npm');
  assert.match(gaps[0].lost, /^\d+-4$/);
  source.close();
  between.close();
});

test("a browser's EventSource gets lines, types and ids", { timeout: 60_000 }, async () => {
  const listening = page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const heard = [];
        const source = new EventSource(`${url}/plain/browser.b9`);
        const note = ({ type, data, lastEventId }) => {
          heard.push({ type, data, lastEventId });
          if (data === 'end') {
            source.close();
            resolve(heard);
          }
        };
        source.onmessage = note;
        source.addEventListener('kind', note);
      }),
    suite.url('pushStream'),
  );
  await publish('browser', 'a\r\nb\rc', { 'Event-Id': '7', 'Event-Type': 'kind' });
  await publish('browser', 'end');
  assert.deepEqual(await listening, [
    { type: 'kind', data: 'a\nb\nc', lastEventId: '7' },
    { type: 'message', data: 'end', lastEventId: '7' },
  ]);
});

test("a browser's EventSource that is cut off comes back and misses nothing", { timeout: 60_000 }, async () => {
  const between = await startBetween(suite.ports.pushStream);
  await page.evaluate((url) => {
    window.heard = [];
    window.source = new EventSource(`${url}/events/cut.b1`);
    window.source.onmessage = ({ data }) => window.heard.push(data);
    return new Promise((resolve) => (window.source.onopen = resolve));
  }, between.url);
  await publish('cut', '1');
  await page.waitForFunction(() => window.heard.length === 1);
  between.cut();
  await publish('cut', '2');
  await publish('cut', '3');
  await page.waitForFunction(() => window.heard.length === 3);
  assert.deepEqual(await page.evaluate(() => window.heard), ['1', '2', '3']);
  await page.evaluate(() => window.source.close());
  between.close();
});

test("a browser's WebSocket hears, and says what others hear", { timeout: 60_000 }, async () => {
  const url = suite.url('pushStream').replace('http', 'ws');
  await publish('socket', 'old');
  await page.evaluate((url) => {
    window.told = [];
    window.other = new WebSocket(`${url}/ws/socket`);
    window.other.onmessage = ({ data }) => window.told.push(data);
    window.other.onclose = ({ code, wasClean }) => window.told.push({ code, wasClean });
    return new Promise((resolve) => (window.other.onopen = resolve));
  }, url);
  const result = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const heard = [];
        const socket = new WebSocket(`${url}/ws/socket.b1`);
        socket.onmessage = ({ data }) => {
          heard.push(data);
          if (data === 'old') socket.send('from the page');
          if (data === 'from the page') socket.close();
        };
        socket.onclose = ({ code, wasClean }) => resolve({ heard, code, wasClean });
      }),
    url,
  );
  assert.deepEqual(result, { heard: ['old', 'from the page'], code: 1005, wasClean: true });
  await page.waitForFunction(() => window.told.length === 1);
  await fetch(`${suite.url('pushStream')}/pub?id=socket`, { method: 'DELETE', body: 'over' });
  await page.waitForFunction(() => window.told.length === 3);
  const told = await page.evaluate(() => window.told);
  assert.deepEqual(told, ['from the page', 'over', { code: 1005, wasClean: true }]);
});

test('a page reads why its WebSocket is refused', { timeout: 60_000 }, async () => {
  const closed = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${url}/ws/ALL`);
        socket.onclose = ({ code, reason }) => resolve({ code, reason: JSON.parse(reason) });
      }),
    suite.url('pushStream').replace('http', 'ws'),
  );
  assert.deepEqual(closed, {
    code: 1008,
    reason: { http_status: 403, explain: 'Channel id not authorized for this method.' },
  });
});

test('a page polls, and goes on where it left', { timeout: 60_000 }, async () => {
  const waiting = page.evaluate(async (url) => {
    const first = await fetch(`${url}/poll/page`);
    const one = { text: await first.text(), type: first.headers.get('Content-Type') };
    const since = new Date(first.headers.get('Last-Modified') ?? 0);
    return { one, readable: !Number.isNaN(since.getTime()) };
  }, suite.url('pushStream'));
  // It listens once the channel has a subscriber.
  for (;;) {
    const info = await fetch(`${suite.url('pushStream')}/pub?id=page`);
    if (info.status === 200 && (await info.json()).subscribers === 1) break;
  }
  await publish('page', 'hello');
  assert.deepEqual(await waiting, { one: { text: 'hello', type: 'text/plain' }, readable: true });
});
