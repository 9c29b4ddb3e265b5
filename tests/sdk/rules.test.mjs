// Security rules, tested as their authors test them: with @firebase/rules-unit-testing, unmodified.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { assertFails, assertSucceeds, initializeTestEnvironment } from '@firebase/rules-unit-testing';
import * as db from 'firebase/database';
import { startSuite } from './suite.mjs';

const RULES = `{
  // Everything that is not named here is closed.
  "rules": {
    "profiles": {
      "$uid": {
        ".read": "auth != null",
        ".write": "auth.uid === $uid",
        ".validate": "newData.hasChildren(['name', 'born'])",
        "name": { ".validate": "newData.isString() && newData.val().matches(/^[A-Z][a-z]+( [A-Z][a-z]+)*$/)" },
        "born": { ".validate": "newData.isNumber() && newData.val() > 1900 && newData.val() % 1 === 0" },
        "tags": { "$n": { ".validate": "newData.isString() && newData.val().length <= 8" } },
        "seen": { ".validate": "newData.val() === now" },
        /* Nothing else. */
        "$other": { ".validate": false }
      }
    },
    "rooms": {
      "$room": {
        ".read": "root.child('members').child($room).hasChild(auth.uid)",
        "messages": {
          "$message": {
            ".write": "root.child('members/' + $room + '/' + auth.uid).val() == 'writer' && !data.exists()",
            ".validate": "newData.child('by').val() === auth.uid && newData.hasChild('text')"
          }
        },
        "topic": { ".write": "root.child('members/' + $room + '/' + auth.uid).val() == 'owner'" }
      }
    },
    "members": {
      "$room": {
        "$uid": { ".write": "auth.token.admin === true", ".validate": "newData.val().matches(/^(reader|writer|owner)$/)" }
      }
    },
    "orders": {
      ".read": "query.orderByChild == 'buyer' && query.equalTo == auth.uid && query.limitToFirst <= 10",
      ".indexOn": "buyer"
    },
    "accounts": {
      "$uid": {
        ".read": "auth.uid === $uid",
        ".write": "auth.uid === $uid || newData.val() > data.val()",
        ".validate": "newData.isNumber() && newData.val() >= 0"
      }
    },
    "public": { ".read": true, "counter": { ".write": true, ".validate": "newData.val() === data.val() + 1" } }
  }
}`;

let suite;
let environment;
let ada;
let bob;
let nobody;

before(async () => {
  suite = await startSuite({ project: 'demo-rules' });
  const { host, port } = suite.ports.database;
  environment = await initializeTestEnvironment({ projectId: suite.project, database: { host, port, rules: RULES } });
});

after(async () => {
  await environment.cleanup();
  assert.equal(await suite.stop(), 0);
});

beforeEach(async () => {
  ada = environment.authenticatedContext('ada', { admin: true }).database();
  bob = environment.authenticatedContext('bob').database();
  nobody = environment.unauthenticatedContext().database();
  await environment.withSecurityRulesDisabled(async (context) => {
    await db.set(db.ref(context.database()), {
      profiles: { ada: { name: 'Ada Lovelace', born: 1915 } },
      members: { tea: { ada: 'owner', bob: 'writer' }, gin: { ada: 'owner' } },
      rooms: { tea: { topic: 'leaves', messages: { first: { by: 'ada', text: 'hello' } } }, gin: { topic: 'tonic' } },
      orders: { 1: { buyer: 'ada' }, 2: { buyer: 'bob' }, 3: { buyer: 'ada' } },
      accounts: { ada: 10, bob: 20 },
      public: { counter: 1 },
    });
  });
});

afterEach(() => environment.clearDatabase());

const at = (database, path) => db.ref(database, path);

describe('who owns something', () => {
  test('writes it, and nobody else does', async () => {
    const profile = { name: 'Ada King', born: 1915 };
    await assertSucceeds(db.set(at(ada, 'profiles/ada'), profile));
    await assertFails(db.set(at(bob, 'profiles/ada'), profile));
    await assertFails(db.set(at(ada, 'profiles/bob'), profile));
    await assertFails(db.set(at(nobody, 'profiles/ada'), profile));
    await assertSucceeds(db.remove(at(ada, 'profiles/ada')));
    await assertFails(db.remove(at(nobody, 'profiles')));
  });

  test('is read by everyone who is signed in', async () => {
    const found = await assertSucceeds(db.get(at(bob, 'profiles/ada/name')));
    assert.equal(found.val(), 'Ada Lovelace');
    await assertFails(db.get(at(nobody, 'profiles/ada')));
    // Rules are no filters.
    await assertFails(db.get(at(bob, 'profiles')));
  });
});

describe('a role that is looked up', () => {
  test('lets members read, and writers write what is new', async () => {
    await assertSucceeds(db.get(at(bob, 'rooms/tea')));
    await assertFails(db.get(at(bob, 'rooms/gin')));
    await assertFails(db.get(at(nobody, 'rooms/tea')));
    await assertSucceeds(db.push(at(bob, 'rooms/tea/messages'), { by: 'bob', text: 'hi' }));
    await assertFails(db.push(at(bob, 'rooms/tea/messages'), { by: 'ada', text: 'hi' }));
    await assertFails(db.set(at(bob, 'rooms/tea/messages/first/text'), 'bye'));
    await assertFails(db.push(at(ada, 'rooms/tea/messages'), { by: 'ada', text: 'an owner is no writer' }));
  });

  test('is given by admins alone, and counts from then on', async () => {
    await assertFails(db.set(at(bob, 'rooms/tea/topic'), 'milk'));
    await assertFails(db.set(at(bob, 'members/tea/bob'), 'owner'));
    await assertFails(db.set(at(ada, 'members/tea/bob'), 'king'));
    await assertSucceeds(db.set(at(ada, 'members/tea/bob'), 'owner'));
    await assertSucceeds(db.set(at(bob, 'rooms/tea/topic'), 'milk'));
  });

  test('ends a listener when it is taken away', async () => {
    const denied = new Promise((resolve, reject) => {
      db.onValue(at(bob, 'rooms/tea'), (snapshot) => {
        if (snapshot.exists()) db.remove(at(ada, 'members/tea/bob')).catch(reject);
      }, resolve);
    });
    assert.match(String(await denied), /permission_denied/);
  });
});

describe('a schema', () => {
  test('takes what fits', async () => {
    const profile = { name: 'Ada', born: 1915, tags: ['maths', 'looms'], seen: db.serverTimestamp() };
    await assertSucceeds(db.set(at(ada, 'profiles/ada'), profile));
    await assertSucceeds(db.update(at(ada, 'profiles/ada'), { 'tags/2': 'poetry' }));
    await assertSucceeds(db.set(at(ada, 'profiles/ada/tags'), null));
  });

  for (const [what, wrong] of Object.entries({
    'lacks a member': { name: null },
    'has one too many': { email: 'ada@example.org' },
    'has one of another type': { born: '1915' },
    'has a number that is not whole': { born: 1915.5 },
    'has a name that does not match': { name: 'ada' },
    'has a long tag among short ones': { tags: ['maths', 'mathematics'] },
    'makes up the time': { seen: 1 },
  })) {
    test(`refuses what ${what}`, async () => {
      await assertFails(db.set(at(ada, 'profiles/ada'), { name: 'Ada', born: 1915, ...wrong }));
      await assertFails(db.update(at(ada, 'profiles/ada'), wrong));
    });
  }
});

describe('a query', () => {
  const orders = (database, ...constraints) => db.query(at(database, 'orders'), db.orderByChild('buyer'), ...constraints);

  test('shows what is one\'s own', async () => {
    const own = await assertSucceeds(db.get(orders(ada, db.equalTo('ada'), db.limitToFirst(10))));
    assert.deepEqual(Object.keys(own.val()), ['1', '3']);
    const listened = orders(ada, db.equalTo('ada'), db.limitToFirst(5));
    const seen = await assertSucceeds(new Promise((resolve, reject) => {
      db.onValue(listened, resolve, reject, { onlyOnce: true });
    }));
    assert.equal(seen.size, 2);
  });

  test('shows nothing else', async () => {
    await assertFails(db.get(orders(ada, db.equalTo('bob'), db.limitToFirst(10))));
    await assertFails(db.get(orders(ada, db.equalTo('ada'), db.limitToFirst(11))));
    await assertFails(db.get(orders(ada, db.equalTo('ada'))));
    await assertFails(db.get(orders(ada, db.limitToFirst(10))));
    await assertFails(db.get(at(ada, 'orders')));
    await assertFails(db.get(at(ada, 'orders/1')));
    await assertFails(db.get(orders(nobody, db.equalTo('ada'), db.limitToFirst(10))));
  });
});

describe('an update of several paths', () => {
  test('happens if each of them may be written', async () => {
    await assertSucceeds(db.update(at(ada, 'accounts'), { ada: 5, bob: 25 }));
    const balance = await assertSucceeds(db.get(at(bob, 'accounts/bob')));
    assert.equal(balance.val(), 25);
  });

  test('happens whole or not at all', async () => {
    await assertFails(db.update(at(ada, 'accounts'), { ada: 15, bob: 15 }));
    await assertFails(db.update(at(ada, 'accounts'), { ada: -5, bob: 35 }));
    await assertFails(db.update(at(ada, '/'), { 'accounts/ada': 5, 'elsewhere/at/all': 1 }));
    assert.equal((await db.get(at(ada, 'accounts/ada'))).val(), 10);
  });
});

describe('who is not signed in', () => {
  test('may do what is public', async () => {
    await assertSucceeds(db.get(at(nobody, 'public/counter')));
    await assertSucceeds(db.set(at(nobody, 'public/counter'), db.increment(1)));
    await assertFails(db.set(at(nobody, 'public/counter'), db.increment(2)));
    const counted = await assertSucceeds(db.runTransaction(at(nobody, 'public/counter'), (count) => (count ?? 0) + 1));
    assert.equal(counted.snapshot.val(), 3);
  });

  test('may do nothing else', async () => {
    await assertFails(db.get(at(nobody, '/')));
    await assertFails(db.set(at(nobody, 'public/other'), 1));
    await assertFails(db.onDisconnect(at(nobody, 'accounts/ada')).set(0));
  });
});

describe('the environment', () => {
  test('clears the data, and no rules', async () => {
    await environment.clearDatabase();
    await environment.withSecurityRulesDisabled(async (context) => {
      assert.equal((await db.get(at(context.database(), '/'))).exists(), false);
    });
    await assertFails(db.get(at(ada, '/')));
    await assertSucceeds(db.get(at(ada, 'public')));
  });

  test('refuses rules that are wrong, and says where', async () => {
    const { host, port } = suite.ports.database;
    const rules = '{"rules": {\n  ".read": "auth.uid = 1"}}';
    await assert.rejects(initializeTestEnvironment({ projectId: suite.project, database: { host, port, rules } }), /Line 2/);
    await assertSucceeds(db.get(at(nobody, 'public')));
  });
});
