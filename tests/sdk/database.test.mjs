// The Realtime Database over REST, as fetch and curl speak it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startSuite } from './suite.mjs';

let suite;

before(async () => {
  suite = await startSuite();
});

after(async () => {
  assert.equal(await suite.stop(), 0);
});

const at = (path, query = '') => `${suite.url('database')}/${path}.json${query}`;
const json = (method, body) => ({ method, body: JSON.stringify(body) });

test('what is written is read, whole and in part', async () => {
  const put = await fetch(at('users/ada'), json('PUT', { name: 'Ada', tags: ['x', null, 'z'], gone: null }));
  assert.deepEqual(await put.json(), { name: 'Ada', tags: ['x', null, 'z'] });
  assert.deepEqual(await (await fetch(at('users/ada'))).json(), { name: 'Ada', tags: ['x', null, 'z'] });
  assert.deepEqual(await (await fetch(at('users', '?shallow=true'))).json(), { ada: true });
  const patched = await fetch(at('users'), json('PATCH', { 'ada/name': 'Ada L.', bob: { name: 'Bob' } }));
  assert.equal(patched.status, 200);
  assert.equal(await (await fetch(at('users/ada/name'))).json(), 'Ada L.');
  assert.equal(await (await fetch(at('users/ada'), { method: 'DELETE' })).json(), null);
  assert.equal(await (await fetch(at('users/ada'))).json(), null);
});

test('server values are resolved by the server', async () => {
  const before = Date.now();
  await fetch(at('sv'), json('PUT', { at: { '.sv': 'timestamp' }, count: 1 }));
  await fetch(at('sv/count'), json('PUT', { '.sv': { increment: 41 } }));
  const value = await (await fetch(at('sv'))).json();
  assert.equal(value.count, 42);
  assert.ok(value.at >= before && value.at <= Date.now());
});

test('a conditional write loses against a newer value', async () => {
  await fetch(at('etag'), json('PUT', 1));
  const read = await fetch(at('etag'), { headers: { 'X-Firebase-ETag': 'true' } });
  const tag = read.headers.get('etag');
  const conditional = (value) => fetch(at('etag'), { ...json('PUT', value), headers: { 'if-match': tag } });
  assert.equal((await conditional(2)).status, 200);
  const late = await conditional(3);
  assert.equal(late.status, 412);
  assert.equal(await late.json(), 2);
});

test('pushed children keep their order', async () => {
  const names = [];
  for (let index = 0; index < 20; index += 1) {
    const { name } = await (await fetch(at('list'), json('POST', index))).json();
    names.push(name);
  }
  assert.deepEqual(names, [...names].sort());
  assert.deepEqual(Object.values(await (await fetch(at('list'))).json()), [...names.keys()]);
});

test('the default database has one content under all its names', async () => {
  await fetch(at('shared', `?ns=${suite.project}`), json('PUT', 'x'));
  assert.equal(await (await fetch(at('shared', `?ns=${suite.project}-default-rtdb`))).json(), 'x');
  assert.equal(await (await fetch(at('shared'))).json(), 'x');
  assert.equal(await (await fetch(at('shared', '?ns=another'))).json(), null);
});
