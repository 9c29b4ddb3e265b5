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

test('children are found by key, value, priority and by an indexed child', async () => {
  const owner = { Authorization: 'Bearer owner' };
  const rules = { rules: { '.read': true, '.write': true, found: { '.indexOn': ['.value', 'n'] } } };
  const set = await fetch(at('.settings/rules'), { ...json('PUT', rules), headers: owner });
  assert.deepEqual(await set.json(), { status: 'ok' });
  await fetch(at('found'), json('PUT', { a: { n: 2 }, b: { n: 1 }, c: 5 }));
  const found = async (query) => (await fetch(at('found', `?${new URLSearchParams(query)}`))).json();
  assert.deepEqual(await found({ orderBy: '"n"', limitToFirst: 2 }), { b: { n: 1 }, c: 5 });
  assert.deepEqual(await found({ orderBy: '"n"', equalTo: 2 }), { a: { n: 2 } });
  assert.deepEqual(await found({ orderBy: '"$key"', startAt: '"b"' }), { b: { n: 1 }, c: 5 });
  assert.deepEqual(await found({ orderBy: '"$value"', startAt: 3, endAt: 6 }), { c: 5 });
  const refused = await fetch(at('found', '?orderBy="m"'));
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error, /^Index not defined, add ".indexOn": "m", for path "\/found"/);
});

test('a stream tells what happens', async () => {
  const stop = new AbortController();
  const response = await fetch(at('streamed'), { headers: { Accept: 'text/event-stream' }, signal: stop.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (end) => {
    while (!text.endsWith(end)) text += (await reader.read()).value;
  };
  await until('event: put\ndata: {"path":"/","data":null}\n\n');
  await fetch(at('streamed/x'), json('PUT', 1));
  await fetch(at('streamed'), json('PATCH', { y: 2, z: null }));
  await until('event: put\ndata: {"path":"/x","data":1}\n\nevent: put\ndata: {"path":"/y","data":2}\n\n');
  stop.abort();
  await assert.rejects(reader.read(), { name: 'AbortError' });
});
