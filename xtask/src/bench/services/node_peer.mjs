// What the benchmarks measure the services against: streams of events held by Node's own http module, with nothing kept
// and nothing checked. GET /subscribe/{key} listens; POST /ping and POST /user/{key} send an event.

import { createServer } from 'node:http';

const streams = new Map();

function listen(key, request, response) {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    'Access-Control-Allow-Origin': '*',
  });
  response.write(':\n\n');
  const timer = setInterval(() => response.write(':\n\n'), 25_000);
  const all = streams.get(key) ?? new Set();
  streams.set(key, all.add(response));
  request.on('close', () => {
    clearInterval(timer);
    all.delete(response);
  });
}

function send(path, claim, text) {
  if (path === '/ping') {
    const { status } = JSON.parse(text);
    const data = JSON.stringify({ time: Math.floor(Date.now() / 1000), status });
    streams.get(claim.userid)?.forEach((stream) => stream.write(`data: ${data}\n\n`));
  } else {
    const { event, data } = JSON.parse(text);
    const message = `id: ${claim.userid}:${claim.clientid}\nevent: ${event}\ndata: ${encodeURI(data)}\n\n`;
    streams.get(path.slice('/user/'.length))?.forEach((stream) => stream.write(message));
  }
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    listen(request.url.slice('/subscribe/'.length), request, response);
    return;
  }
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (text += chunk));
  request.on('end', () => {
    send(request.url, JSON.parse(request.headers['x-user-claim']), text);
    response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Length': 0 }).end();
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`${address}:${port}`);
});
process.stdin.resume().on('end', () => process.exit(0));
