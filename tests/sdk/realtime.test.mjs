// The Realtime Database over WebSocket, as the unmodified SDK speaks it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { deleteApp, initializeApp } from 'firebase/app';
import admin from 'firebase-admin';
import * as db from 'firebase/database';
import { startSuite } from './suite.mjs';

let suite;
let one;
let two;
let apps = 0;

/** A client of its own, which holds nothing that another one does. */
function connect({ host, port } = suite.ports.database, options = {}) {
  apps += 1;
  const databaseURL = `http://${host}:${port}?ns=${suite.project}`;
  const app = initializeApp({ projectId: suite.project, databaseURL }, `app ${apps}`);
  const database = db.getDatabase(app);
  db.connectDatabaseEmulator(database, host, port, options);
  return { app, database, at: (path) => db.ref(database, path) };
}

before(async () => {
  suite = await startSuite();
  one = connect();
  two = connect();
});

after(async () => {
  await Promise.all([one, two].map(({ app }) => deleteApp(app)));
  assert.equal(await suite.stop(), 0);
});

/** Listens; `until` resolves with the first value, now or later, that satisfies the condition. */
function watch(query) {
  const values = [];
  let check = () => {};
  const stop = db.onValue(
    query,
    (snapshot) => {
      values.push(snapshot.val());
      check();
    },
    (error) => {
      values.push(error);
      check();
    },
  );
  const until = (condition) =>
    new Promise((resolve) => {
      check = () => {
        if (values.length === 0 || !condition(values.at(-1))) return;
        check = () => {};
        resolve(values.at(-1));
      };
      check();
    });
  return { values, stop, until };
}

const same = (expected) => (value) => JSON.stringify(value) === JSON.stringify(expected);
/** What the server holds, asked for by a client that has nothing cached. */
const stored = async (path) =>
  (await fetch(`${suite.url('database')}/${path}.json?ns=${suite.project}`, { headers: { Authorization: 'Bearer owner' } })).json();

test('what one app writes another one hears', async () => {
  const heard = watch(two.at('basics'));
  assert.equal(await heard.until(() => true), null);
  await db.set(one.at('basics'), { name: 'Ada', tags: ['x', null, 'z'], deep: { er: true } });
  await heard.until(same({ deep: { er: true }, name: 'Ada', tags: ['x', null, 'z'] }));
  await db.update(one.at('basics'), { 'deep/er': null, 'deep/est': 1.5, name: 'Ada L.' });
  await heard.until(same({ deep: { est: 1.5 }, name: 'Ada L.', tags: ['x', null, 'z'] }));
  const pushed = db.push(one.at('basics/list'), 'first');
  await pushed;
  await heard.until((value) => value.list?.[pushed.key] === 'first');
  await db.remove(one.at('basics/tags'));
  await heard.until((value) => value.tags === undefined);
  await db.remove(one.at('basics'));
  await heard.until((value) => value === null);
  heard.stop();
});

test('a write is acknowledged after its writer has heard of it, without a flicker', async () => {
  const heard = watch(one.at('flicker'));
  await heard.until(() => true);
  for (let count = 1; count <= 50; count += 1) await db.set(one.at('flicker'), { count });
  assert.deepEqual(heard.values, [null, ...Array.from({ length: 50 }, (_, index) => ({ count: index + 1 }))]);
  heard.stop();
});

test('one read, with and without a query', async () => {
  await db.set(one.at('get'), { a: 1, b: 2, c: { d: 3 } });
  assert.deepEqual((await db.get(two.at('get'))).val(), { a: 1, b: 2, c: { d: 3 } });
  assert.equal((await db.get(two.at('get/none'))).exists(), false);
  const query = db.query(two.at('get'), db.orderByKey(), db.limitToLast(2));
  assert.deepEqual((await db.get(query)).val(), { b: 2, c: { d: 3 } });
  const unindexed = db.query(two.at('get'), db.orderByChild('d'), db.equalTo(3));
  await assert.rejects(db.get(unindexed), /Index not defined, add "\.indexOn": "d", for path "\/get", to the rules/);
});

test('transactions of two apps that contend lose nothing', async () => {
  const add = ({ at }) => db.runTransaction(at('counter'), (value) => (value ?? 0) + 1);
  const results = await Promise.all(Array.from({ length: 40 }, (_, index) => add(index % 2 ? one : two)));
  assert.ok(results.every(({ committed }) => committed));
  assert.equal(await stored('counter'), 40);
  const aborted = await db.runTransaction(one.at('counter'), () => undefined);
  assert.equal(aborted.committed, false);
});

test('windows of every kind follow the changes', async () => {
  const list = 'windows';
  await db.set(one.at(list), Object.fromEntries([5, 1, 4, 2, 3].map((n) => [`k${n}`, { n, name: `n${n}` }])));
  const at = two.at(list);
  const byN = db.orderByChild('n');
  const windows = {
    first: db.query(at, byN, db.limitToFirst(2)),
    last: db.query(at, byN, db.limitToLast(2)),
    from: db.query(at, byN, db.startAt(4)),
    after: db.query(at, byN, db.startAfter(4)),
    to: db.query(at, byN, db.endAt(2)),
    before: db.query(at, byN, db.endBefore(2)),
    equal: db.query(at, byN, db.equalTo(3)),
    between: db.query(at, byN, db.startAt(2), db.endAt(4), db.limitToFirst(2)),
    withKey: db.query(at, byN, db.startAt(4, 'k5')),
    byKey: db.query(at, db.orderByKey(), db.startAfter('k2'), db.endBefore('k5')),
    byName: db.query(at, db.orderByChild('name'), db.startAt('n4')),
  };
  const watched = Object.fromEntries(Object.entries(windows).map(([name, query]) => [name, watch(query)]));
  const keys = (expected) => (value) => Object.keys(value ?? {}).sort().join() === expected;
  const all = async (expected) => {
    for (const [name, wanted] of Object.entries(expected)) await watched[name].until(keys(wanted));
  };
  await all({
    first: 'k1,k2', last: 'k4,k5', from: 'k4,k5', after: 'k5', to: 'k1,k2', before: 'k1', equal: 'k3',
    between: 'k2,k3', withKey: 'k5', byKey: 'k3,k4', byName: 'k4,k5',
  });
  await db.update(one.at(list), { 'k1/n': 6, k0: { n: 3, name: 'n0' }, k4: null });
  await all({
    first: 'k0,k2', last: 'k1,k5', from: 'k1,k5', after: 'k1,k5', to: 'k2', before: '', equal: 'k0,k3',
    between: 'k0,k2', withKey: 'k1,k5', byKey: 'k3', byName: 'k5',
  });
  await db.remove(one.at(list));
  await all(Object.fromEntries(Object.keys(windows).map((name) => [name, ''])));
  Object.values(watched).forEach(({ stop }) => stop());
});

test('children come, change, move and go', async () => {
  const events = [];
  let heard = () => {};
  const query = db.query(two.at('children'), db.orderByChild('n'), db.limitToFirst(2));
  const note = (kind) => (snapshot, previous) => {
    events.push(`${kind} ${snapshot.key}${kind === 'removed' ? '' : ` after ${previous ?? '-'}`}`);
    heard();
  };
  const stops = [
    db.onChildAdded(query, note('added')),
    db.onChildChanged(query, note('changed')),
    db.onChildMoved(query, note('moved')),
    db.onChildRemoved(query, note('removed')),
  ];
  const expected = [];
  const then = async (...more) => {
    expected.push(...more);
    await new Promise((resolve) => {
      heard = () => events.length >= expected.length && resolve();
      heard();
    });
    assert.deepEqual(events, expected);
  };
  await db.set(one.at('children'), { a: { n: 1 }, b: { n: 2 }, c: { n: 3 } });
  await then('added a after -', 'added b after a');
  await db.set(one.at('children/a/n'), 2.5);
  await then('moved a after b', 'changed a after b');
  await db.remove(one.at('children/b'));
  await then('removed b', 'added c after a');
  await db.set(one.at('children/first'), { n: 0 });
  await then('removed c', 'added first after -');
  stops.forEach((stop) => stop());
});

test('priorities order, travel and change', async () => {
  await db.setWithPriority(one.at('ranked/a'), 1, 2);
  await db.setWithPriority(one.at('ranked/b'), { x: 1 }, 1);
  await db.set(one.at('ranked/c'), 3);
  const order = [];
  (await db.get(two.at('ranked'))).forEach((child) => void order.push([child.key, child.priority]));
  assert.deepEqual(order, [['c', null], ['b', 1], ['a', 2]]);
  const ranks = [];
  let changed;
  const stop = db.onValue(two.at('ranked/a'), (snapshot) => {
    ranks.push(snapshot.priority);
    changed?.();
  });
  await new Promise((resolve) => {
    changed = () => ranks.includes(2) && resolve();
    changed();
  });
  await db.setPriority(one.at('ranked/a'), 'p');
  await new Promise((resolve) => {
    changed = () => ranks.includes('p') && resolve();
    changed();
  });
  assert.deepEqual(ranks, [2, 'p']);
  stop();
});

test('large values and strange names go through whole', async () => {
  const long = 'é𝄞"\\\u2028'.repeat(8_000);
  const huge = 'x'.repeat(3 * 1024 * 1024) + '𝄞';
  const names = { 'ключ 鍵 🔑': 1, "it's \"quoted\" \\ back": 2, 'white space': { 'é': 3 } };
  await db.set(one.at('large'), { long, huge, names });
  assert.deepEqual((await db.get(two.at('large'))).val(), { long, huge, names });
  const heard = watch(two.at('large/many'));
  await heard.until((value) => value === null);
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, index]));
  await db.set(one.at('large/many'), many);
  assert.deepEqual(await heard.until((value) => value !== null), many);
  assert.deepEqual((await db.get(two.at('large/names/ключ 鍵 🔑'))).val(), 1);
  heard.stop();
  await db.remove(one.at('large'));
});

test('the server says what is wrong, and goes on', async () => {
  await db.set(one.at('most'), Number.MAX_VALUE);
  await assert.rejects(db.set(one.at('most'), db.increment(Number.MAX_VALUE)), /FAILURE: Invalid data; .*number/);
  assert.equal(await stored('most'), Number.MAX_VALUE);
  await db.set(one.at('ok'), true);
  assert.equal(await stored('ok'), true);
});

test('an end that was prepared happens when the client goes, and one that was cancelled does not', async () => {
  const leaver = connect();
  const at = (path) => leaver.at(`leaving/${path}`);
  const heard = watch(one.at('leaving'));
  await db.set(at('set'), 'here');
  await db.set(at('merged'), { a: 1, b: 2 });
  await db.set(at('cancelled'), 'stays');
  await db.onDisconnect(at('set')).setWithPriority('gone', 7);
  await db.onDisconnect(at('merged')).update({ a: 'gone', c: { '.sv': 'timestamp' } });
  await db.onDisconnect(at('cancelled')).remove();
  await db.onDisconnect(at('cancelled')).cancel();
  db.goOffline(leaver.database);
  const value = await heard.until((found) => found?.set === 'gone');
  const { c, ...merged } = value.merged;
  assert.deepEqual({ ...value, merged }, { set: 'gone', merged: { a: 'gone', b: 2 }, cancelled: 'stays' });
  assert.ok(c > 1.6e12);
  heard.stop();
  // Once: a client that comes back finds nothing prepared.
  await db.set(one.at('leaving/set'), 'again');
  db.goOnline(leaver.database);
  assert.equal((await db.get(at('set'))).val(), 'again');
  db.goOffline(leaver.database);
  await deleteApp(leaver.app);
  await db.set(one.at('leaving/last'), 1);
  assert.equal(await stored('leaving/set'), 'again');
});

test('a client that is killed goes too', async () => {
  const { host, port } = suite.ports.database;
  const script = fileURLToPath(new URL('realtime_client.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, host, port, suite.project], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const heard = watch(one.at('killed/online'));
  await heard.until((value) => value === true);
  child.kill('SIGKILL');
  await heard.until((value) => value === false);
  heard.stop();
});

test('clients learn what time it is on the server and whether they are connected', async () => {
  const offset = watch(one.at('.info/serverTimeOffset'));
  const connected = watch(one.at('.info/connected'));
  assert.ok(Math.abs(await offset.until((value) => typeof value === 'number')) < 10_000);
  await connected.until((value) => value === true);
  await db.set(one.at('time'), db.serverTimestamp());
  assert.ok(Math.abs((await stored('time')) - Date.now()) < 10_000);
  offset.stop();
  connected.stop();
});

test('made-up users of test libraries are let in', async () => {
  const mock = connect(suite.ports.database, { mockUserToken: { sub: 'alice', user_id: 'alice' } });
  await db.set(mock.at('mock'), 'alice was here');
  assert.equal(await stored('mock'), 'alice was here');
  await deleteApp(mock.app);
});

test('the Admin SDK reads, writes and listens as an admin', async () => {
  const { host, port } = suite.ports.database;
  process.env.FIREBASE_DATABASE_EMULATOR_HOST = `${host}:${port}`;
  const app = admin.initializeApp({ databaseURL: `http://${host}:${port}?ns=${suite.project}` }, 'admin');
  const database = admin.database(app);
  delete process.env.FIREBASE_DATABASE_EMULATOR_HOST;
  const ref = database.ref('admin');
  await ref.set({ by: 'admin' });
  assert.equal(await stored('admin/by'), 'admin');
  const heard = new Promise((resolve) => ref.child('answer').on('value', (snapshot) => snapshot.exists() && resolve(snapshot.val())));
  await db.set(one.at('admin/answer'), 42);
  assert.equal(await heard, 42);
  const { committed, snapshot } = await ref.child('answer').transaction((value) => value + 1);
  assert.deepEqual([committed, snapshot.val()], [true, 43]);
  await app.delete();
});

test('after a restart, by force or not, clients are where they were', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-realtime-'));
  const args = ['--data-dir', folder];
  let server = await startSuite({ args });
  // The clients' address stays, whatever port the next server has.
  const relay = createServer((client) => {
    const upstream = createConnection(server.ports.database.port, server.ports.database.host);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const relayed = { host: '127.0.0.1', port: relay.address().port };
  const [writer, listener] = [connect(relayed), connect(relayed)];
  const heard = watch(listener.at('restart'));
  await db.set(writer.at('restart/count'), 1);
  await db.onDisconnect(writer.at('restart/online')).set('gone');
  await heard.until((value) => value?.count === 1);
  for (const [signal, count] of [['SIGTERM', 2], ['SIGKILL', 3]]) {
    await db.onDisconnect(writer.at(`restart/${signal}`)).set('gone');
    await server.stop(signal);
    // Asked for while there is no server.
    const written = db.set(writer.at('restart/count'), count);
    server = await startSuite({ args });
    await written;
    await heard.until((value) => value?.count === count && value[signal] === 'gone' && value.online === 'gone');
  }
  heard.stop();
  await Promise.all([writer, listener].map(({ app }) => deleteApp(app)));
  relay.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});
