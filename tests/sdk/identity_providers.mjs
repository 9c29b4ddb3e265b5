// Identity providers for tests, on a free port: one of OpenID Connect, and one that has GitHub's ways. They let people in
// or send them back as a button says, and remember what they were asked.

import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

/** Who is at the provider, and what it says of them. */
export const ADA = { sub: '7', email: 'ada@example.org', email_verified: true, name: 'Ada' };

const read = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

const json = (response, value, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

/** A page with two ways on: back with a code, back without. */
const ask = (response, back) => {
  const to = (more) => {
    const url = new URL(back.redirect_uri);
    for (const [name, value] of Object.entries({ state: back.state, ...more })) url.searchParams.set(name, value);
    return url.href.replaceAll('&', '&amp;');
  };
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end(`<!doctype html><a id="in" href="${to({ code: back.code, ...back.more })}">in</a>
    <a id="cancel" href="${to({ error: 'access_denied' })}">cancel</a>`);
};

async function listen(answer) {
  const server = http.createServer((request, response) => {
    answer(request, response, new URL(request.url, 'http://localhost')).catch((error) => {
      json(response, { error: String(error) }, 500);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://localhost:${server.address().port}`, stop: () => server.close() };
}

/** An OpenID provider. It gives a code once, for the verifier of its challenge, to whoever has the secret. */
export async function startOpenIdProvider({ clientId, clientSecret }) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig', alg: 'RS256' };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const codes = new Map();
  const provider = { user: ADA, asked: [] };
  const sign = (claims) => {
    const now = Math.floor(Date.now() / 1000);
    const input = [{ alg: 'RS256', kid: 'key-1' }, { iss: provider.url, iat: now, exp: now + 600, ...claims }].map(part).join('.');
    return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey).toString('base64url')}`;
  };
  Object.assign(provider, await listen(async (request, response, url) => {
    const at = (path) => `${provider.url}${path}`;
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json(response, {
          issuer: provider.url, jwks_uri: at('/keys'), authorization_endpoint: at('/authorize'), token_endpoint: at('/token'),
          token_endpoint_auth_methods_supported: ['client_secret_basic'],
          authorization_response_iss_parameter_supported: true,
        });
      case '/keys':
        return json(response, { keys: [jwk] });
      case '/authorize': {
        const asked = Object.fromEntries(url.searchParams);
        provider.asked.push(asked);
        const code = randomBytes(16).toString('hex');
        codes.set(code, asked);
        return ask(response, { ...asked, code, more: { iss: provider.url } });
      }
      case '/token': {
        const form = new URLSearchParams(await read(request));
        const asked = codes.get(form.get('code'));
        codes.delete(form.get('code'));
        const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
        // Each as in a form (RFC 6749, section 2.3.1).
        const [name, secret] = [clientId, clientSecret].map((text) => new URLSearchParams({ '': text }).toString().slice(1));
        const basic = Buffer.from(`${name}:${secret}`).toString('base64');
        if (request.headers.authorization !== `Basic ${basic}`) return json(response, { error: 'invalid_client' }, 401);
        if (asked?.code_challenge !== challenge || asked.redirect_uri !== form.get('redirect_uri')) {
          return json(response, { error: 'invalid_grant' }, 400);
        }
        const id_token = sign({ ...provider.user, aud: clientId, nonce: asked.nonce });
        return json(response, { access_token: 'at-1', token_type: 'Bearer', expires_in: 3599, id_token });
      }
      default:
        return json(response, { error: 'not_found' }, 404);
    }
  }));
  return provider;
}

/** GitHub, as far as it signs people in. `give` makes a token as any app's users have one. */
export async function startGithub({ clientId, clientSecret }) {
  const codes = new Map();
  const tokens = new Map();
  const provider = {
    user: { id: 42, login: 'grace', name: 'Grace', avatar_url: 'https://github.example/42.png', email: null },
    emails: [{ email: 'grace@example.org', primary: true, verified: true }],
    give(app) {
      const token = `gho_${randomBytes(16).toString('hex')}`;
      tokens.set(token, app);
      return token;
    },
  };
  Object.assign(provider, await listen(async (request, response, url) => {
    const token = request.headers.authorization?.replace('Bearer ', '');
    switch (url.pathname) {
      case '/login/oauth/authorize': {
        const asked = Object.fromEntries(url.searchParams);
        const code = randomBytes(10).toString('hex');
        codes.set(code, asked);
        return ask(response, { ...asked, code });
      }
      case '/login/oauth/access_token': {
        const form = new URLSearchParams(await read(request));
        const asked = codes.get(form.get('code'));
        codes.delete(form.get('code'));
        const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
        const isFine = form.get('client_secret') === clientSecret && asked?.code_challenge === challenge;
        // GitHub refuses with 200.
        if (!isFine) return json(response, { error: 'bad_verification_code' });
        return json(response, { access_token: provider.give(clientId), token_type: 'bearer', scope: asked.scope });
      }
      case `/api/applications/${clientId}/token`: {
        const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
        if (request.headers.authorization !== `Basic ${basic}`) return json(response, { message: 'Not Found' }, 404);
        const app = tokens.get(JSON.parse(await read(request)).access_token);
        if (app !== clientId) return json(response, { message: 'Not Found' }, 404);
        return json(response, { app: { client_id: clientId }, user: provider.user });
      }
      case '/api/user':
        return tokens.has(token) ? json(response, provider.user) : json(response, { message: 'Bad credentials' }, 401);
      case '/api/user/emails':
        return tokens.has(token) ? json(response, provider.emails) : json(response, { message: 'Bad credentials' }, 401);
      default:
        return json(response, { message: 'Not Found' }, 404);
    }
  }));
  return provider;
}
