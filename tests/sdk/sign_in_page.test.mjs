// Sign-in as only a page does it: with a popup and a redirect over the page that stands for an identity provider, and
// by text message. There is no internet here, so that the page loads the emulator's stand-in for Google's script.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPages } from './pages.mjs';
import { startSuite } from './suite.mjs';

let suite;
let pages;

before(async () => {
  suite = await startSuite();
  pages = await startPages();
});

after(async () => {
  await pages?.stop();
  assert.equal(await suite.stop(), 0);
});

/** A page with the SDK in it, as `window.sdk` and `window.auth`. */
async function open() {
  const page = await pages.browser.newPage();
  await page.goto(pages.url);
  await begin(page);
  return page;
}

async function begin(page) {
  await page.addScriptTag({ url: `${suite.url('auth')}/emulator/auth/gapi.js` });
  await page.evaluate(async (url) => {
    const { initializeApp } = await import('/firebase-app.js');
    window.sdk = await import('/firebase-auth.js');
    const app = initializeApp({ apiKey: 'any', projectId: 'demo-sdk', authDomain: 'demo-sdk.firebaseapp.com' });
    window.auth = window.sdk.getAuth(app);
    window.sdk.connectAuthEmulator(window.auth, url, { disableWarnings: true });
  }, suite.url('auth'));
}

/** Fills in the provider's page. */
async function signIn(provider, email) {
  await provider.click('.js-new-account');
  await provider.fill('#email-input', email);
  await provider.fill('#display-name-input', 'Ada <b>');
  await provider.click('#sign-in');
}

test('a popup signs in, and the account can be chosen again', { timeout: 60_000 }, async () => {
  const page = await open();
  const popup = async (act) => {
    const opened = page.waitForEvent('popup');
    const done = page.evaluate(async () => {
      const { sdk, auth } = window;
      const { user } = await sdk.signInWithPopup(auth, new sdk.GoogleAuthProvider());
      return { uid: user.uid, email: user.email, name: user.displayName, provider: user.providerData[0].providerId };
    });
    await act(await opened);
    return done;
  };
  const first = await popup((provider) => signIn(provider, 'ada@example.com'));
  assert.equal(first.email, 'ada@example.com');
  assert.equal(first.name, 'Ada <b>');
  assert.equal(first.provider, 'google.com');
  const again = await popup((provider) => provider.click('.js-reuse-account'));
  assert.deepEqual(again, first);
  await page.close();
});

test('a redirect signs in', { timeout: 60_000 }, async () => {
  const page = await open();
  await page.evaluate(() => {
    const { sdk, auth } = window;
    void sdk.signInWithRedirect(auth, new sdk.OAuthProvider('apple.com'));
  });
  await page.waitForURL(/emulator\/auth\/handler/);
  await signIn(page, 'grace@example.com');
  await page.waitForURL(pages.url);
  await begin(page);
  const result = await page.evaluate(async () => {
    const { sdk, auth } = window;
    const result = await sdk.getRedirectResult(auth);
    return { email: result?.user.email, provider: result?.providerId };
  });
  assert.deepEqual(result, { email: 'grace@example.com', provider: 'apple.com' });
  await page.close();
});

test('a text message signs in, and its number can be linked', { timeout: 60_000 }, async () => {
  const page = await open();
  const result = await page.evaluate(async (url) => {
    const { sdk, auth } = window;
    const code = async () => {
      const response = await fetch(`${url}/emulator/v1/projects/demo-sdk/verificationCodes`);
      return (await response.json()).verificationCodes.at(-1).code;
    };
    // Nobody here tells people from machines.
    const verifier = { type: 'recaptcha', verify: async () => 'anything', _reset() {} };
    const first = await sdk.signInWithPhoneNumber(auth, '+15555550111', verifier);
    const { user } = await first.confirm(await code());
    const { user: other } = await sdk.signInAnonymously(auth);
    const taken = await sdk.linkWithPhoneNumber(other, '+15555550111', verifier);
    const refused = await taken.confirm(await code()).catch((error) => error.code);
    const free = await sdk.linkWithPhoneNumber(other, '+15555550112', verifier);
    await free.confirm(await code());
    return { first: user.phoneNumber, refused, second: other.phoneNumber };
  }, suite.url('auth'));
  assert.deepEqual(result, {
    first: '+15555550111',
    refused: 'auth/account-exists-with-different-credential',
    second: '+15555550112',
  });
  await page.close();
});
