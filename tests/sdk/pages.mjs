// A real browser, and empty pages of another origin that can import the browser builds of the SDK, served as they are.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

/**
 * @returns {Promise<{url: string, browser: import('playwright-core').Browser, stop: () => Promise<void>}>}
 */
export async function startPages() {
  const modules = new URL('./node_modules/firebase/', import.meta.url);
  const server = createServer(async (request, response) => {
    if (request.url === '/') {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>app</title><link rel="icon" href="data:,">');
      return;
    }
    const name = request.url.slice(1);
    if (!/^firebase-(app|auth|database)\.js$/.test(name)) {
      response.writeHead(404).end();
      return;
    }
    const text = await readFile(new URL(name, modules), 'utf8');
    response.setHeader('Content-Type', 'text/javascript');
    response.end(text.replace(/https:\/\/www\.gstatic\.com\/firebasejs\/[\d.]+\//g, '/'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser = await chromium.launch({
    executablePath: process.env.CHROME_PATH,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    browser,
    async stop() {
      await browser.close();
      server.close();
    },
  };
}
