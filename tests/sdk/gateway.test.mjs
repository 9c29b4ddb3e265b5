// The gateway with AWS' own clients, a browser's WebSocket, and servers that answer its routes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { after, before, describe, test } from 'node:test';
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  GoneException,
  PayloadTooLargeException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  paginateListQueues,
  PurgeQueueCommand,
  QueueDoesNotExist,
  QueueNameExists,
  ReceiptHandleIsInvalid,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs';
import { startPages } from './pages.mjs';
import { startServer, startSuite } from './suite.mjs';

const KEYS = { accessKeyId: 'AKIDHEARTH', secretAccessKey: 'a/secret+of:tests' };

let pages;
let page;

before(async () => {
  pages = await startPages();
  page = await pages.browser.newPage();
  await page.goto(pages.url);
});

after(() => pages?.stop());

function clients(suite, credentials = KEYS) {
  const endpoint = suite.url('gateway');
  const common = { region: 'us-east-1', credentials, maxAttempts: 1 };
  return {
    sqs: new SQSClient({ ...common, endpoint }),
    management: new ApiGatewayManagementApiClient({ ...common, endpoint: `${endpoint}/dev` }),
  };
}

/** A WebSocket in the browser: what it hears, and its end. */
async function connect(url) {
  const name = `socket${Math.random()}`;
  const opened = await page.evaluate(
    ([name, url]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        const client = { socket, heard: [], closed: null, news: () => {} };
        window[name] = client;
        socket.onopen = () => resolve(true);
        socket.onmessage = ({ data }) => (client.heard.push(data), client.news());
        socket.onclose = ({ code }) => ((client.closed = code), client.news(), resolve(false));
      }),
    [name, url],
  );
  return {
    opened,
    send: (text) => page.evaluate(([name, text]) => window[name].socket.send(text), [name, text]),
    close: () => page.evaluate((name) => window[name].socket.close(), name),
    hears: (count) =>
      page.evaluate(
        ([name, count]) =>
          new Promise((resolve) => {
            const client = window[name];
            client.news = () => client.heard.length >= count && resolve(client.heard.slice(0, count));
            client.news();
          }),
        [name, count],
      ),
    ends: () =>
      page.evaluate(
        (name) =>
          new Promise((resolve) => {
            const client = window[name];
            client.news = () => client.closed !== null && resolve(client.closed);
            client.news();
          }),
        name,
      ),
  };
}

/** The status with which an upgrade is refused. */
async function refusal(suite, path) {
  const headers = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const [answer] = await once(get(`${suite.url('gateway')}${path}`, { headers }), 'response');
  answer.resume();
  return answer.statusCode;
}

/** Everything the sheet has of queues, over the official client. */
async function everyOperation(suite, { sqs }) {
  const send = (command) => sqs.send(command);
  const { QueueUrl } = await send(new CreateQueueCommand({ QueueName: 'work', Attributes: { VisibilityTimeout: '30' }, tags: { a: 'b' } }));
  assert.equal(QueueUrl, `${suite.url('gateway')}/000000000000/work`);
  assert.equal((await send(new GetQueueUrlCommand({ QueueName: 'work' }))).QueueUrl, QueueUrl);
  await assert.rejects(send(new GetQueueUrlCommand({ QueueName: 'none' })), QueueDoesNotExist);
  await assert.rejects(send(new CreateQueueCommand({ QueueName: 'work', Attributes: { VisibilityTimeout: '31' } })), QueueNameExists);
  await assert.rejects(send(new CreateQueueCommand({ QueueName: 'w.fifo', Attributes: { FifoQueue: 'true' } })), {
    name: 'UnsupportedOperation',
  });

  const names = [];
  for await (const { QueueUrls } of paginateListQueues({ client: sqs, pageSize: 2 }, {})) names.push(...(QueueUrls ?? []));
  const own = ['DeleteConnection', 'DeleteConnectionDeadLetter', 'NotifyConnection', 'NotifyUser', 'work'];
  assert.deepEqual(names.map((url) => url.split('/').at(-1)), own);
  assert.deepEqual((await send(new ListQueuesCommand({ QueueNamePrefix: 'wo' }))).QueueUrls, [QueueUrl]);

  // The client checks the digests of all bodies by itself.
  const attributes = {
    text: { DataType: 'String', StringValue: 'žluťoučký' },
    number: { DataType: 'Number.int', StringValue: '42' },
    bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 1, 255]) },
  };
  const sent = await send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: 'kůň & <xml> \u{1f40e}\n',
      MessageAttributes: attributes,
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1' } },
    }),
  );
  const receive = (more = {}) => send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...more }));
  const all = { MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] };
  const [message] = (await receive(all)).Messages;
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.equal(message.Body, 'kůň & <xml> \u{1f40e}\n');
  assert.deepEqual(message.MessageAttributes.bytes.BinaryValue, new Uint8Array([0, 1, 255]));
  assert.equal(message.MessageAttributes.number.StringValue, '42');
  assert.equal(message.Attributes.ApproximateReceiveCount, '1');
  assert.equal(message.Attributes.AWSTraceHeader, 'Root=1');
  assert.equal(message.Attributes.SenderId, KEYS.accessKeyId);

  const { ReceiptHandle } = message;
  await send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  const [again] = (await receive({ MessageSystemAttributeNames: ['ApproximateReceiveCount'] })).Messages;
  assert.deepEqual(again.Attributes, { ApproximateReceiveCount: '2' });
  assert.equal(again.MessageAttributes, undefined);
  const batch = [{ Id: 'one', ReceiptHandle: again.ReceiptHandle, VisibilityTimeout: 60 }, { Id: 'two', ReceiptHandle: 'x', VisibilityTimeout: 1 }];
  const changed = await send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: batch }));
  assert.deepEqual([changed.Successful.map(({ Id }) => Id), changed.Failed.map(({ Id, Code }) => [Id, Code])], [['one'], [['two', 'ReceiptHandleIsInvalid']]]);
  const counted = await send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  assert.equal(counted.Attributes.ApproximateNumberOfMessagesNotVisible, '1');
  assert.equal(counted.Attributes.QueueArn, 'arn:aws:sqs:us-east-1:000000000000:work');
  await send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again.ReceiptHandle }));
  await assert.rejects(send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'nonsense' })), ReceiptHandleIsInvalid);

  const entries = [{ Id: 'a', MessageBody: '1' }, { Id: 'b', MessageBody: '2' }, { Id: 'c', MessageBody: '3', DelaySeconds: 900 }];
  const taken = await send(new SendMessageBatchCommand({ QueueUrl, Entries: entries }));
  assert.deepEqual(taken.Successful.map(({ Id }) => Id), ['a', 'b', 'c']);
  const both = (await receive()).Messages;
  assert.deepEqual(both.map(({ Body }) => Body).sort(), ['1', '2']);
  const gone = await send(new DeleteMessageBatchCommand({ QueueUrl, Entries: both.map(({ ReceiptHandle }, n) => ({ Id: `${n}`, ReceiptHandle })) }));
  assert.equal(gone.Successful.length, 2);
  await send(new PurgeQueueCommand({ QueueUrl }));
  const empty = await send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessagesDelayed'] }));
  assert.deepEqual(empty.Attributes, { ApproximateNumberOfMessagesDelayed: '0' });

  // A long poll is answered as soon as there is a message.
  const [late] = await Promise.all([receive({ WaitTimeSeconds: 20 }), send(new SendMessageCommand({ QueueUrl, MessageBody: 'now' }))]);
  assert.equal(late.Messages[0].Body, 'now');
  assert.equal((await receive({ WaitTimeSeconds: 1 })).Messages, undefined);

  // Dead letters, at once because nothing stays hidden.
  const target = (await send(new CreateQueueCommand({ QueueName: 'dead' }))).QueueUrl;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead', maxReceiveCount: 2 });
  await send(new PurgeQueueCommand({ QueueUrl }));
  await send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { RedrivePolicy, VisibilityTimeout: '0' } }));
  assert.deepEqual((await send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: target }))).queueUrls, [QueueUrl]);
  await send(new SendMessageCommand({ QueueUrl, MessageBody: 'poison' }));
  assert.deepEqual([await receive(), await receive(), await receive()].map(({ Messages }) => Messages?.length), [1, 1, undefined]);
  const [letter] = (await send(new ReceiveMessageCommand({ QueueUrl: target, MessageSystemAttributeNames: ['All'] }))).Messages;
  assert.deepEqual([letter.Body, letter.Attributes.DeadLetterQueueSourceArn], ['poison', 'arn:aws:sqs:us-east-1:000000000000:work']);

  await send(new TagQueueCommand({ QueueUrl, Tags: { c: 'd' } }));
  await send(new UntagQueueCommand({ QueueUrl, TagKeys: ['a'] }));
  assert.deepEqual((await send(new ListQueueTagsCommand({ QueueUrl }))).Tags, { c: 'd' });
  await send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' })), QueueDoesNotExist);
}

/** The id of the one connection of a user, which he is told nothing of: it is in the queue that will end him. */
async function connectionOf(suite) {
  const answer = await fetch(`${suite.url('database')}/connections.json?ns=gateway`, { headers: { authorization: 'Bearer owner' } });
  return Object.keys((await answer.json()) ?? {});
}

describe('in emulator mode', () => {
  let suite;
  before(async () => {
    suite = await startSuite({ sections: { gateway: {} } });
  });
  after(async () => assert.equal(await suite.stop(), 0));

  test('the official SQS client does everything, with whatever keys', { timeout: 60_000 }, async () => {
    await everyOperation(suite, clients(suite));
  });

  test("a browser's WebSocket is answered, notified, and closed", { timeout: 60_000 }, async () => {
    const { sqs, management } = clients(suite);
    const url = `${suite.url('gateway').replace('http', 'ws')}/dev`;
    const client = await connect(`${url}?userId=stepan`);
    await client.send(JSON.stringify({ action: 'ping', name: 'Stepan' }));
    await client.send('nonsense');
    assert.deepEqual((await client.hears(2)).sort(), ['not implemented', 'pong, Stepan!']);

    const [ConnectionId] = await connectionOf(suite);
    assert.match(ConnectionId, /^[\w-]{15}=$/);
    await management.send(new PostToConnectionCommand({ ConnectionId, Data: 'posted ž' }));
    assert.equal((await client.hears(3))[2], 'posted ž');
    const about = await management.send(new GetConnectionCommand({ ConnectionId }));
    assert.ok(about.ConnectedAt instanceof Date && about.LastActiveAt >= about.ConnectedAt);
    assert.match(about.Identity.UserAgent, /Chrome/);
    assert.match(about.Identity.SourceIp, /^(127\.0\.0\.1|::1)$/);
    const long = new Uint8Array(128 * 1024 + 1);
    await assert.rejects(management.send(new PostToConnectionCommand({ ConnectionId, Data: long })), PayloadTooLargeException);

    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: 'NotifyUser' }));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ userId: 'stepan', data: 'to all' }) }));
    assert.equal((await client.hears(4))[3], 'to all');

    await management.send(new DeleteConnectionCommand({ ConnectionId }));
    assert.equal(await client.ends(), 1000);
    for (const command of [
      new PostToConnectionCommand({ ConnectionId, Data: 'x' }),
      new GetConnectionCommand({ ConnectionId }),
      new DeleteConnectionCommand({ ConnectionId }),
    ]) {
      await assert.rejects(management.send(command), GoneException);
    }
    assert.deepEqual(await connectionOf(suite), []);
    assert.equal((await connect(url)).opened, false);
    assert.equal(await refusal(suite, '/dev'), 400);
  });
});

describe('with hearth serve', () => {
  let suite;
  before(async () => {
    const environment = { HEARTH_GATEWAY_ACCESS_KEYS: `other:x,${KEYS.accessKeyId}:${KEYS.secretAccessKey}` };
    suite = await startServer({ sections: { gateway: { authorizer: 'none' } }, environment });
  });
  after(async () => assert.equal(await suite.stop(), 0));

  test('the official SQS client does everything with a key of ours', { timeout: 60_000 }, async () => {
    await everyOperation(suite, clients(suite));
  });

  test('nobody else does anything', { timeout: 60_000 }, async () => {
    const wrong = clients(suite, { ...KEYS, secretAccessKey: 'another' });
    const unknown = clients(suite, { accessKeyId: 'nobody', secretAccessKey: 'x' });
    for (const { sqs, management } of [wrong, unknown]) {
      const refused = (promise) => promise.then(assert.fail, (error) => error.$metadata.httpStatusCode);
      assert.equal(await refused(sqs.send(new ListQueuesCommand({}))), 403);
      assert.equal(await refused(management.send(new GetConnectionCommand({ ConnectionId: 'a=' }))), 403);
    }
    const { management } = clients(suite);
    await assert.rejects(management.send(new GetConnectionCommand({ ConnectionId: 'a=/../b' })), GoneException);
  });
});

test("servers of one's own authorize and answer routes", { timeout: 60_000 }, async () => {
  const events = [];
  let news = () => {};
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const event = JSON.parse(body);
    events.push([request.url, event]);
    news();
    response.setHeader('content-type', 'application/json');
    if (request.url === '/authorize') {
      response.end(JSON.stringify({ isAuthorized: event.queryStringParameters.secret === 'open', principalId: 'p' }));
    } else if (request.url === '/connect') {
      response.statusCode = event.queryStringParameters.full ? 429 : 200;
      response.end();
    } else {
      response.end(`${event.requestContext.routeKey} says ${event.body}`);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = (path) => ({ url: `http://127.0.0.1:${server.address().port}${path}` });
  const suite = await startSuite({
    sections: {
      gateway: {
        authorizer: at('/authorize'),
        routeSelectionExpression: '$request.body.do.what',
        routes: {
          $connect: at('/connect'),
          chat: { ...at('/chat'), reply: true },
          $default: { ...at('/default'), reply: true },
          $disconnect: at('/disconnect'),
        },
      },
    },
  });
  assert.equal(await refusal(suite, '/dev?userId=a'), 403);
  assert.equal(await refusal(suite, '/dev?userId=a&secret=open&full=1'), 429);
  const client = await connect(`${suite.url('gateway').replace('http', 'ws')}/dev?userId=a&secret=open`);
  await client.send('{"do":{"what":"chat"}}');
  await client.send('other');
  await client.send('{"do":{"what":"ping"}}');
  assert.deepEqual(await client.hears(3), ['chat says {"do":{"what":"chat"}}', '$default says other', 'pong']);
  await client.close();
  await new Promise((resolve) => {
    news = () => events.some(([path]) => path === '/disconnect') && resolve();
    news();
  });
  const [, { requestContext }] = events.find(([path]) => path === '/disconnect');
  assert.deepEqual(
    [requestContext.eventType, requestContext.routeKey, requestContext.stage, requestContext.authorizer.principalId],
    ['DISCONNECT', '$disconnect', 'dev', 'a'],
  );
  assert.equal(await suite.stop(), 0);
  server.close();
});
