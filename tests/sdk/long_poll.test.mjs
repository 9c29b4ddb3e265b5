// The database's other transport, which only browsers have: long-polling, and the move from it to a WebSocket.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deleteApp, initializeApp } from 'firebase/app';
import { connectDatabaseEmulator, get, getDatabase, onValue, ref, set } from 'firebase/database';
import { startPages } from './pages.mjs';
import { startSuite } from './suite.mjs';

let suite;
let pages;
let app;
/** Another client, over a WebSocket. */
let other;

before(async () => {
  suite = await startSuite();
  pages = await startPages();
  app = initializeApp({ databaseURL: `http://localhost/?ns=${suite.project}` }, 'other');
  other = getDatabase(app);
  connectDatabaseEmulator(other, suite.ports.database.host, suite.ports.database.port);
});

after(async () => {
  await deleteApp(app);
  await pages?.stop();
  assert.equal(await suite.stop(), 0);
});

/** Resolves once `path` holds what `wanted` accepts. */
function becomes(path, wanted) {
  return new Promise((resolve) => {
    const stop = onValue(ref(other, path), (snapshot) => {
      if (wanted(snapshot.val())) {
        queueMicrotask(() => stop());
        resolve(snapshot.val());
      }
    });
  });
}

/**
 * Opens a page whose `database` is connected and whose `sdk` is the module; counts what it sends which way.
 *
 * @param {{force?: boolean, failedBefore?: boolean, brokenSockets?: boolean}} options
 */
async function open({ force = false, failedBefore = false, brokenSockets = false }) {
  const context = await pages.browser.newContext();
  const page = await context.newPage();
  const seen = { polls: 0, carrying: 0, sockets: 0, sent: [], errors: [], onSent: () => {} };
  page.on('pageerror', (error) => seen.errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && seen.errors.push(message.text()));
  page.on('request', (request) => {
    if (!request.url().includes('/.lp?id=')) return;
    seen.polls += 1;
    if (request.url().includes('seg0=')) seen.carrying += 1;
  });
  page.on('websocket', (socket) => {
    seen.sockets += 1;
    socket.on('framesent', ({ payload }) => {
      seen.sent.push(payload);
      seen.onSent();
    });
  });
  if (brokenSockets) await page.routeWebSocket(/\/\.ws\?/, (socket) => socket.close());
  if (failedBefore) {
    await context.addInitScript(() => {
      localStorage.setItem('firebase:previous_websocket_failure', 'true');
      // A slow socket, as far as the client can tell: it moves once its pings have been answered, and they are held
      // until the page lets them go.
      const letGo = new Promise((resolve) => {
        window.letPingsGo = resolve;
      });
      window.WebSocket = class extends WebSocket {
        send(text) {
          if (text === '{"t":"c","d":{"t":"p","d":{}}}') letGo.then(() => super.send(text));
          else super.send(text);
        }
      };
    });
  }
  await page.goto(pages.url);
  await page.evaluate(
    async ({ host, port, project, force }) => {
      const { initializeApp } = await import('/firebase-app.js');
      window.sdk = await import('/firebase-database.js');
      if (force) sdk.forceLongPolling();
      window.database = sdk.getDatabase(initializeApp({ databaseURL: `http://localhost/?ns=${project}` }));
      sdk.connectDatabaseEmulator(database, host, port);
      window.at = (path) => sdk.ref(database, path);
    },
    { ...suite.ports.database, project: suite.project, force },
  );
  return { page, seen, close: () => context.close() };
}

test('a page does everything over long-polling', { timeout: 60_000 }, async () => {
  const { page, seen, close } = await open({ force: true });
  const found = await page.evaluate(async () => {
    const heard = [];
    sdk.onValue(at('all/value'), (snapshot) => heard.push(snapshot.val()));
    for (const value of ['one', { two: 'é\u2028"</script>' }, null]) await sdk.set(at('all/value'), value);
    await sdk.set(at('all/count'), 0);
    const add = () => sdk.runTransaction(at('all/count'), (count) => (count ?? 0) + 1);
    await Promise.all(Array.from({ length: 10 }, add));
    await sdk.update(at('all/list'), Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`k${key}`, key])));
    const query = sdk.query(at('all/list'), sdk.orderByKey(), sdk.limitToLast(2));
    return {
      heard,
      count: (await sdk.get(at('all/count'))).val(),
      last: (await sdk.get(query)).val(),
    };
  });
  assert.deepEqual(found.heard.slice(-3), ['one', { two: 'é\u2028"</script>' }, null]);
  assert.equal(found.count, 10);
  assert.deepEqual(found.last, { k8: 8, k9: 9 });
  assert.equal(seen.sockets, 0);
  assert.ok(seen.polls > 10, String(seen.polls));
  assert.deepEqual(seen.errors, []);
  await close();
});

test('values of any size and kind pass through scripts', { timeout: 60_000 }, async () => {
  const { page, seen, close } = await open({ force: true });
  // A name that means something to JavaScript, and characters that once ended its lines.
  const odd = '{"__proto__":{"a":1},"constructor":2,"text":"\u2028\u2029\\"__proto__\\":"}';
  const put = (path, body) => fetch(`${suite.url('database')}/${path}.json`, { method: 'PUT', body });
  assert.equal((await put('sizes/odd', odd)).status, 200);
  assert.equal((await put('sizes/large', JSON.stringify('é'.repeat(2_000_000)))).status, 200);
  const found = await page.evaluate(async () => {
    const read = async (path) => (await sdk.get(at(path))).val();
    const sent = 'ü'.repeat(150_000);
    await sdk.set(at('sizes/sent'), sent);
    const snapshot = await sdk.get(at('sizes/odd'));
    const names = [];
    snapshot.forEach((child) => void names.push(child.key));
    return { names, text: snapshot.child('text').val(), large: (await read('sizes/large')).length };
  });
  assert.deepEqual(found, { names: ['__proto__', 'constructor', 'text'], text: '\u2028\u2029"__proto__":', large: 2_000_000 });
  assert.equal((await get(ref(other, 'sizes/sent'))).val(), 'ü'.repeat(150_000));
  assert.deepEqual(seen.errors, []);
  await close();
});

test('a page that is left has disconnected', { timeout: 30_000 }, async () => {
  for (const leave of ['goOffline', 'navigate', 'close']) {
    const { page, close } = await open({ force: true });
    await page.evaluate(async (path) => {
      await sdk.set(at(path), 'here');
      await sdk.onDisconnect(at(path)).set('gone');
    }, `left/${leave}`);
    assert.equal((await get(ref(other, `left/${leave}`))).val(), 'here');
    // Long before its silence is noticed.
    const gone = becomes(`left/${leave}`, (value) => value === 'gone');
    if (leave === 'goOffline') await page.evaluate(() => sdk.goOffline(database));
    if (leave === 'navigate') await page.goto('about:blank');
    if (leave === 'close') await page.close({ runBeforeUnload: false });
    await gone;
    await close();
  }
});

test('a page moves to a WebSocket in the middle of its writes', { timeout: 60_000 }, async () => {
  const { page, seen, close } = await open({ failedBefore: true });
  const isWrite = (text) => text.includes('"a":"p"') && text.includes('/moved/own/');
  // The other client writes all the while, and the page hears it.
  let stop = false;
  let theirs = 0;
  const writing = (async () => {
    while (!stop) await set(ref(other, `moved/theirs/${String(theirs++).padStart(6, '0')}`), theirs);
  })();
  await page.evaluate(() => {
    window.heard = [];
    window.own = 0;
    window.acknowledged = 0;
    window.stop = false;
    sdk.onChildAdded(at('moved/theirs'), (snapshot) => heard.push(snapshot.val()));
    sdk.onDisconnect(at('moved/left')).set(true);
    window.writing = (async () => {
      let earlier;
      while (!stop) {
        const writes = Array.from({ length: 3 }, async () => {
          const number = own++;
          await sdk.set(at(`moved/own/n${number}`), number);
          acknowledged++;
          if (acknowledged === 50) letPingsGo();
        });
        writes.push(sdk.set(at('moved/count'), sdk.increment(1)));
        // Two rounds are under way at a time.
        await earlier;
        earlier = Promise.all(writes);
        window.rounds = (window.rounds ?? 0) + 1;
      }
    })();
  });
  await new Promise((resolve) => {
    seen.onSent = () => theirs >= 50 && seen.sent.filter(isWrite).length >= 300 && resolve();
  });
  const own = await page.evaluate(async () => {
    window.stop = true;
    await writing;
    await sdk.set(at('moved/end'), true);
    return { own, acknowledged, rounds };
  });
  stop = true;
  await writing;
  await page.waitForFunction((count) => heard.length >= count, theirs);
  const heard = await page.evaluate(() => heard);
  assert.deepEqual(heard, Array.from({ length: theirs }, (_, number) => number + 1));
  assert.equal(own.acknowledged, own.own);
  const stored = (await get(ref(other, 'moved'))).val();
  assert.deepEqual(Object.keys(stored.own).length, own.own);
  assert.equal(stored.count, own.rounds);
  assert.equal(stored.left, undefined);
  const over = seen.sent.filter(isWrite).length;
  assert.ok(over < own.own, 'some were written before the move');
  assert.equal(seen.sockets, 1);
  assert.deepEqual(seen.errors, []);
  console.log(`${own.own} writes, ${over} of them over the WebSocket; ${theirs} of others heard; ${seen.polls} polls`);
  // The session is still the one that it was.
  const gone = becomes('moved/left', (value) => value === true);
  await page.close();
  await gone;
  await close();
});

test('a page whose WebSockets fail goes on without', { timeout: 60_000 }, async () => {
  const { page, seen, close } = await open({ brokenSockets: true });
  const found = await page.evaluate(async () => {
    await sdk.set(at('broken'), 1);
    await sdk.runTransaction(at('broken'), (value) => value + 1);
    return (await sdk.get(at('broken'))).val();
  });
  assert.equal(found, 2);
  assert.ok(seen.polls > 0);
  await close();
});
