// Starts the real binary in a folder of its own, on free ports, and stops it again.

import { spawn } from 'node:child_process';
import { createSign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SERVICES = ['auth', 'functions', 'database', 'pushStream', 'hub'];
const READY = 'All emulators ready! It is now safe to connect your app.';
const SERVER_READY = 'Hearth is ready.';

/** The binary under test; `cargo xtask test` names it. */
export const BINARY = process.env.HEARTH_BIN ?? '../../target/debug/hearth';

/** Runtime configuration with everything enforced. */
export const ENFORCED = {
  jwt: { secret: 'a secret for tests' },
  toggles: { skip_auth: false, skip_rate_limit: false },
};

/**
 * @param {{runtime?: object, args?: string[], project?: string, pushStream?: object, sections?: Record<string, object>}}
 *   options `sections` are those of the services on the platform, in firebase.json
 * @returns {Promise<{project: string, ports: Record<string, {host: string, port: number}>, url: (service: string) => string,
 *   stop: (signal?: string) => Promise<number>, output: () => string}>}
 */
export async function startSuite({ runtime = {}, args = [], project = 'demo-sdk', pushStream, sections } = {}) {
  return start('emulators:start', READY, { runtime, args, project, pushStream, sections });
}

/** The same for `hearth serve`; `folder` is where firebase.json is, and beside it the data. */
export async function startServer({ args = [], project = 'sdk-server', sections, environment } = {}) {
  const runtime = { ...ENFORCED, pubsub: { secret: 'another secret for tests' } };
  return start('serve', SERVER_READY, { runtime, args, project, sections, environment });
}

/** An access token of the holder of a server's key. */
export async function adminToken(server) {
  const file = join(server.folder, '.hearth', server.project, 'service-account.json');
  const key = JSON.parse(await readFile(file, 'utf8'));
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: key.client_email, aud: key.token_uri, iat: now, exp: now + 600 };
  const input = `${part({ alg: 'RS256', typ: 'JWT', kid: key.private_key_id })}.${part(claims)}`;
  const assertion = `${input}.${createSign('RSA-SHA256').update(input).sign(key.private_key).toString('base64url')}`;
  const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
  return (await (await fetch(`${server.url('auth')}/token`, { method: 'POST', body })).json()).access_token;
}

async function start(command, sign, { runtime, args, project, pushStream, sections = {}, environment = {} }) {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-sdk-'));
  const emulators = Object.fromEntries([...SERVICES, ...Object.keys(sections)].map((service) => [service, { port: 0 }]));
  await writeFile(join(folder, 'firebase.json'), JSON.stringify({ emulators, pushStream, ...sections }));
  await writeFile(join(folder, '.runtimeconfig.json'), JSON.stringify(runtime));
  const portsFile = join(folder, 'ports.json');
  const child = spawn(
    BINARY,
    [command, '--project', project, '--config', folder, '--ports-file', portsFile, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } },
  );
  let output = '';
  const ready = new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk;
      if (output.includes(sign)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the suite ended with ${code}:\n${output}`)));
  });
  await ready;
  const ports = JSON.parse(await readFile(portsFile, 'utf8'));
  return {
    project,
    folder,
    ports,
    url: (service) => `http://${ports[service].host}:${ports[service].port}`,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      const ended = once(child, 'exit');
      child.kill(signal);
      const [code] = await ended;
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
}
