// Between an app and an identity provider. The app's SDK opens the page: it has the server begin a sign-in and goes to
// the provider. The provider sends the user back to it: it hands what the provider says to the app, through the frame of
// this server in the page that has opened this one, or through what this window remembers for the page it goes on to.
// What it says to people is said here; nothing of its address is shown or run.
(() => {
  'use strict';
  const HANDLER = `${location.origin}/__/auth/handler`;
  const BEGUN = 'hearth:signIn:';
  const query = new URLSearchParams(location.search);
  // What came with a form.
  const form = new URLSearchParams(location.hash.slice(1));

  // What providers say who have been refused by the user, or by nobody but would have to ask.
  const CANCELLED = [
    'access_denied', 'user_cancelled_authorize', 'user_cancelled_login', 'user_denied', 'consent_required',
    'interaction_required', 'login_required',
  ];
  const REFUSALS = {
    invalid_client: 'invalid-oauth-client-id',
    unauthorized_client: 'invalid-oauth-client-id',
    server_error: 'network-request-failed',
    temporarily_unavailable: 'network-request-failed',
  };
  // What this server says that cannot begin a sign-in.
  const COMPLAINTS = {
    OPERATION_NOT_ALLOWED: 'operation-not-allowed',
    UNAUTHORIZED_DOMAIN: 'unauthorized-domain',
    UNAVAILABLE: 'network-request-failed',
    INVALID_TENANT_ID: 'invalid-tenant-id',
    PROJECT_DISABLED: 'operation-not-allowed',
  };

  const say = (text) => { document.getElementById('status').textContent = text; };

  async function begin() {
    const flow = {
      apiKey: query.get('apiKey'),
      appName: query.get('appName'),
      type: query.get('authType'),
      eventId: query.get('eventId'),
      redirectUrl: query.get('redirectUrl'),
      tenantId: query.get('tid'),
    };
    if (!flow.appName || !/^(signIn|link|reauth)Via(Popup|Redirect)$/.test(flow.type)) {
      return say('This server signs in web apps only: the parameters appName and authType are missing.');
    }
    let customParameter;
    try {
      customParameter = JSON.parse(query.get('customParameters') || '{}');
    } catch {
      customParameter = {};
    }
    const request = {
      providerId: query.get('providerId'),
      continueUri: HANDLER,
      authFlowType: 'CODE_FLOW',
      oauthScope: (query.get('scopes') || '').split(',').join(' '),
      customParameter,
      ...(flow.tenantId && { tenantId: flow.tenantId }),
    };
    const path = '/identitytoolkit.googleapis.com/v1/accounts:createAuthUri';
    const answer = await fetch(`${path}?key=${encodeURIComponent(flow.apiKey)}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request),
    }).then((response) => response.json()).catch(() => ({ error: { message: 'UNAVAILABLE' } }));
    if (!answer.authUri) {
      const message = String(answer.error && answer.error.message);
      console.error(message);
      return refuse(flow, COMPLAINTS[message.split(' ')[0]] || 'internal-error');
    }
    const state = new URL(answer.authUri).searchParams.get('state');
    sessionStorage[BEGUN + state] = JSON.stringify({ flow, sessionId: answer.sessionId });
    return location.replace(answer.authUri);
  }

  function comeBack() {
    const told = (name) => query.get(name) || form.get(name);
    const urlResponse = location.href;
    const begun = BEGUN + told('state');
    const left = sessionStorage[begun];
    delete sessionStorage[begun];
    // The code is for nobody who looks at this window's history.
    history.replaceState(null, '', location.pathname);
    if (!left) return say('This sign-in has not begun in this window, or it is over. Go back to the app and try again.');
    const { flow, sessionId } = JSON.parse(left);
    const error = told('error');
    if (error) return refuse(flow, CANCELLED.includes(error) ? 'user-cancelled' : REFUSALS[error] || 'invalid-credential');
    return tell(flow, { urlResponse, sessionId, postBody: '', error: null });
  }

  function refuse(flow, code) {
    tell(flow, { urlResponse: null, sessionId: null, postBody: null, error: { code: `auth/${code}` } });
  }

  function tell(flow, what) {
    const authEvent = { type: flow.type, eventId: flow.eventId, tenantId: flow.tenantId, ...what };
    const storageKey = `${flow.apiKey}:${flow.appName}`;
    if (flow.type.endsWith('Popup')) return tellOpener(flow, authEvent, storageKey);
    let url;
    try {
      url = new URL(flow.redirectUrl);
    } catch {
      return say('There is nowhere to go on at: the parameter redirectUrl is missing.');
    }
    if (!['http:', 'https:'].includes(url.protocol)) return say('The app cannot be gone on at.');
    sessionStorage[`firebase:redirectEvent:${storageKey}`] = JSON.stringify(authEvent);
    return location.replace(url);
  }

  // The server shows the frame in pages of the app alone.
  function tellOpener(flow, authEvent, storageKey) {
    let told = false;
    for (let i = 0; window.opener && i < window.opener.frames.length; i++) {
      try {
        const frame = window.opener.frames[i];
        const its = new URLSearchParams(frame.location.search);
        if (its.get('apiKey') !== flow.apiKey || its.get('appName') !== flow.appName) continue;
        frame.postMessage({
          data: { authEvent, storageKey }, eventId: String(Math.random()).slice(2), eventType: 'sendAuthEvent',
        }, location.origin);
        told = true;
      } catch { /* A frame of somebody else. */ }
    }
    say(told ? 'You can close this window.' : 'The app is not waiting for this sign-in any more. Close this window and try again.');
  }

  if (query.get('apiKey') && query.get('providerId')) begin();
  else comeBack();
})();
