// The main job: a host replays a recorded playback session, a thousand listeners receive every update.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { deleteApp, initializeApp } from 'firebase/app';
import { connectAuthEmulator, getAuth, inMemoryPersistence, initializeAuth, signInAnonymously } from 'firebase/auth';
import { ENFORCED, startSuite } from './suite.mjs';

const LISTENERS = 1000;
/** A recorded session, if one is named; else a made-up one of the same shape. */
const RECORDING = process.env.HEARTH_PLAYBACK_SESSION ?? new URL('../corpus/playback-session.json', import.meta.url);
/** The recording counts from the session's start; updates carry milliseconds since 1970. */
const START = Date.UTC(2026, 0, 31, 20);

let suite;
let app;

before(async () => {
  suite = await startSuite({ runtime: ENFORCED });
  app = initializeApp({ apiKey: 'any', projectId: suite.project }, 'pogify');
  initializeAuth(app, { persistence: inMemoryPersistence });
  connectAuthEmulator(getAuth(app), suite.url('auth'), { disableWarnings: true });
});

after(async () => {
  await deleteApp(app);
  assert.equal(await suite.stop(), 0);
});

function call(name, headers, body) {
  return fetch(`${suite.url('functions')}/${suite.project}/us-central1/${name}`, {
    method: 'POST',
    headers: body ? { ...headers, 'Content-Type': 'application/json' } : headers,
    body: body && JSON.stringify(body),
  });
}

/** Joins a channel; resolves once the stream is open. */
async function listen(channel, received) {
  const source = new EventSource(`${suite.url('pushStream')}/sub/${channel}`);
  const messages = [];
  source.addEventListener('message', ({ data }) => {
    messages.push(data);
    received?.(data);
  });
  await new Promise((resolve, reject) => {
    source.addEventListener('open', resolve, { once: true });
    source.addEventListener('error', (event) => reject(new Error(`${event.code}: ${event.message}`)), { once: true });
  });
  return { source, messages };
}

/** The message as the listeners must get it: known fields in this order, compact. */
function published({ timestamp, uri, position, playing }) {
  return JSON.stringify({ timestamp, uri, position, playing });
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

test('a recorded session reaches a thousand listeners, in order, byte for byte', { timeout: 120_000 }, async () => {
  const recording = JSON.parse(await readFile(RECORDING, 'utf8')).map((update) => ({
    ...update,
    timestamp: START + update.timestamp,
  }));
  const { user } = await signInAnonymously(getAuth(app));
  const headers = { Authorization: `Bearer ${await user.getIdToken()}` };

  const [first, ...rest] = recording;
  const started = await call('startSession', headers, first);
  assert.equal(started.status, 201);
  const { token, session, expiresIn } = await started.json();
  assert.equal(expiresIn, 1800);
  headers['X-Session-Token'] = token;

  const sentAt = new Map();
  const latencies = [];
  let deliveries = 0;
  let expected = LISTENERS;
  let everyone;
  const received = (data) => {
    deliveries += 1;
    if (sentAt.has(data)) latencies.push(performance.now() - sentAt.get(data));
    if (deliveries === expected) everyone?.();
  };
  const all = () =>
    new Promise((resolve) => {
      everyone = resolve;
      if (deliveries === expected) resolve();
    });

  const listeners = await Promise.all(Array.from({ length: LISTENERS }, () => listen(`${session}.b1`, received)));
  await all();
  for (const update of rest) {
    expected += LISTENERS;
    sentAt.set(published(update), performance.now());
    const answer = await call('pushUpdate', headers, update);
    assert.equal(answer.status, 200);
    const info = await answer.json();
    assert.equal(info.channel, session);
    assert.equal(info.subscribers, LISTENERS);
    assert.equal(info.stored_messages, 1);
    await all();
  }

  const messages = recording.map(published);
  for (const listener of listeners) assert.deepEqual(listener.messages, messages);

  const late = await listen(`${session}.b1`);
  const lastUpdate = recording.at(-1);
  const closing = { ...lastUpdate, uri: '', timestamp: lastUpdate.timestamp + 1000 };
  expected += LISTENERS;
  assert.equal((await call('postUpdate', headers, closing)).status, 200);
  await all();
  while (late.messages.length < 2) await new Promise((resolve) => late.source.addEventListener('message', resolve, { once: true }));
  assert.deepEqual(late.messages, [published(lastUpdate), published(closing)]);

  late.source.close();
  listeners.forEach(({ source }) => source.close());
  latencies.sort((one, other) => one - other);
  console.log(
    `${deliveries} deliveries to ${LISTENERS} listeners; from the push to each listener ` +
      `p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms ` +
      '(client and server on the same machine, the client one Node process)',
  );
});

test('without an ID token nothing starts, and without a session token nothing is pushed', async () => {
  assert.equal((await call('startSession', {})).status, 401);
  const { user } = await signInAnonymously(getAuth(app));
  const headers = { Authorization: `Bearer ${await user.getIdToken()}` };
  assert.equal((await call('pushUpdate', headers, {})).status, 403);
});

test('a listener cannot open a channel that nobody publishes to', async () => {
  await assert.rejects(listen('nobody.b1'), /403/);
});
