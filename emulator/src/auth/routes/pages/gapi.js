// Stands for Google's api.js in an app's page where there is no internet: the part of gapi.iframes that Firebase's SDK
// uses to talk to the emulator's frame. It comes before the SDK, and leaves a gapi that is there alone.
(() => {
  'use strict';
  if (window.gapi) return;
  const STANDIN = 'hearth-gapi';

  class Frame {
    constructor({ where, url, attributes }) {
      this.handlers = new Map();
      this.waiting = new Map();
      this.next = 1;
      this.origin = new URL(url).origin;
      this.element = document.createElement('iframe');
      this.element.name = STANDIN;
      Object.assign(this.element.style, (attributes && attributes.style) || {});
      this.ready = new Promise((resolve) => { this.nowReady = resolve; });
      window.addEventListener('message', (event) => this.hear(event));
      this.element.src = url;
      where.appendChild(this.element);
    }

    hear({ data, source, origin }) {
      if (source !== this.element.contentWindow || origin !== this.origin || !data || !data[STANDIN]) return;
      const { name, id, value } = data[STANDIN];
      if (name === 'ready') this.nowReady();
      else if (name) { if (this.handlers.has(name)) this.handlers.get(name)(value); }
      else if (this.waiting.has(id)) { this.waiting.get(id)(value); this.waiting.delete(id); }
    }

    say(name, message, done) {
      const id = this.next++;
      if (done) this.waiting.set(id, done);
      this.ready.then(() => {
        this.element.contentWindow.postMessage({ [STANDIN]: { name, id, message } }, this.origin);
      });
    }

    send(name, message, done) { this.say(name, message, done); }

    register(name, handler) {
      this.handlers.set(name, handler);
      this.say(name, null);
    }

    ping(done) { return this.ready.then(() => { if (done) done([]); return []; }); }

    restyle() {}
  }

  class Context {
    open(options, done) {
      const frame = new Frame(options);
      if (done) done(frame);
      return Promise.resolve(frame);
    }
  }

  const context = new Context();
  window.gapi = {
    load(_, options) { setTimeout(options.callback || options); },
    iframes: { Iframe: Frame, Context, CROSS_ORIGIN_IFRAMES_FILTER: {}, getContext: () => context },
  };
})();
