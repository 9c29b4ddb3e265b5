// Signal with real clients: two peers in browser pages that connect by WebRTC over it, and npm's EventSource.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { startPages } from './pages.mjs';
import { startSuite } from './suite.mjs';

let suite;
let pages;

before(async () => {
  suite = await startSuite({ sections: { signal: {} } });
  pages = await startPages();
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

/** Sends JSON to a device in the name of a claim. */
function send(user, device, body, claim = { userid: 'sender', clientid: 'node' }) {
  return fetch(`${suite.url('signal')}/user/${user}/device/${device}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-User-Claim': JSON.stringify(claim) },
    body: JSON.stringify(body),
  });
}

/** In a page: subscribes as a device, and answers offers or makes one. Resolves with what the data channel said. */
function beAPeer({ url, token, client, other, offers }) {
  const source = new EventSource(`${url}/subscribe?token=${token}&client=${client}`);
  const peer = new RTCPeerConnection({ iceServers: [] });
  const senders = new Set();
  // One after the other: a candidate that comes before its offer is of no use.
  let told = Promise.resolve();
  const tell = (event, what) => (told = told.then(() => tellNow(event, what)));
  const tellNow = async (event, what) => {
    const answer = await fetch(`${url}/user/${other.uid}/device/${other.client}?client=${client}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ event, data: JSON.stringify(what) }),
    });
    if (answer.status !== 200) throw new Error(`${event}: ${answer.status} ${await answer.text()}`);
  };
  const said = new Promise((resolve, reject) => {
    const use = (channel) => {
      channel.onopen = () => channel.send(`hello from ${client}`);
      channel.onmessage = async ({ data }) => {
        // The state is told apart from the data, and may come later.
        while (peer.connectionState !== 'connected') {
          await new Promise((changed) => peer.addEventListener('connectionstatechange', changed, { once: true }));
        }
        resolve({ data, senders: [...senders] });
      };
    };
    peer.onconnectionstatechange = () => peer.connectionState === 'failed' && reject(new Error('failed'));
    peer.ondatachannel = ({ channel }) => use(channel);
    if (offers) use(peer.createDataChannel('chat'));
    peer.onicecandidate = ({ candidate }) => candidate && tell('candidate', candidate).catch(reject);
    let described = Promise.resolve();
    const on = (event, work) =>
      source.addEventListener(event, ({ data, lastEventId }) => {
        senders.add(lastEventId);
        described = described.then(() => work(JSON.parse(decodeURI(data)))).catch(reject);
      });
    on('offer', async (offer) => {
      await peer.setRemoteDescription(offer);
      await peer.setLocalDescription();
      await tell('answer', peer.localDescription);
    });
    on('answer', (answer) => peer.setRemoteDescription(answer));
    on('candidate', (candidate) => peer.addIceCandidate(candidate));
  });
  window.begin = async () => {
    await peer.setLocalDescription();
    await tell('offer', peer.localDescription);
  };
  window.end = () => {
    source.close();
    peer.close();
  };
  window.said = said;
  return new Promise((resolve) => (source.onopen = () => resolve()));
}

test('two peers in a browser find each other and talk', { timeout: 120_000 }, async () => {
  const [ann, ben] = await Promise.all([signUp(), signUp()]);
  const [annPage, benPage] = await Promise.all([pages.browser.newPage(), pages.browser.newPage()]);
  await Promise.all([annPage.goto(pages.url), benPage.goto(pages.url)]);
  const url = suite.url('signal');
  await annPage.evaluate(beAPeer, { url, ...ann, client: 'phone', other: { uid: ben.uid, client: 'laptop' }, offers: true });
  await benPage.evaluate(beAPeer, { url, ...ben, client: 'laptop', other: { uid: ann.uid, client: 'phone' }, offers: false });
  const listed = await fetch(`${url}/user/${ben.uid}/devices`);
  assert.deepEqual(await listed.json(), ['laptop']);
  await annPage.evaluate(() => window.begin());
  const said = await Promise.all([annPage.evaluate(() => window.said), benPage.evaluate(() => window.said)]);
  assert.deepEqual(said, [
    { data: 'hello from laptop', senders: [`${ben.uid}:laptop`] },
    { data: 'hello from phone', senders: [`${ann.uid}:phone`] },
  ]);
  await Promise.all([annPage, benPage].map((page) => page.evaluate(() => window.end())));
  await Promise.all([annPage.close(), benPage.close()]);
});

test('data comes as encodeURI puts it, whatever it holds', { timeout: 60_000 }, async () => {
  const fetchAs = (claim) => (url, init) =>
    fetch(url, { ...init, headers: { ...init.headers, 'X-User-Claim': JSON.stringify(claim) } });
  const source = new EventSource(`${suite.url('signal')}/subscribe`, { fetch: fetchAs({ userid: 'ann', clientid: 'npm' }) });
  const heard = [];
  source.onmessage = ({ data, lastEventId }) => heard.push({ data, lastEventId });
  await new Promise((resolve) => (source.onopen = resolve));
  const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join('');
  const texts = [ascii, 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n', 'été 🙂 \u2028\u2029\uffff', 'a\n\nevent: b\ndata: forged', '%20'];
  for (const data of texts) assert.equal((await send('ann', 'npm', { data })).status, 200);
  while (heard.length < texts.length) {
    await new Promise((resolve) => source.addEventListener('message', resolve, { once: true }));
  }
  assert.deepEqual(heard, texts.map((text) => ({ data: encodeURI(text), lastEventId: 'sender:node' })));
  source.close();
});

test('a device that closes its page is no longer listed', { timeout: 60_000 }, async () => {
  const { uid, token } = await signUp();
  const page = await pages.browser.newPage();
  await page.goto(pages.url);
  await page.evaluate(
    (url) => new Promise((resolve) => (new EventSource(url).onopen = () => resolve())),
    `${suite.url('signal')}/subscribe/${uid}/device/tab?token=${token}`,
  );
  const devices = async () => (await fetch(`${suite.url('signal')}/user/${uid}/devices`)).json();
  assert.deepEqual(await devices(), ['tab']);
  await page.close();
  while ((await devices()).length > 0);
  assert.equal((await send(uid, 'tab', { data: 'x' })).status, 404);
});
