// The app's half of Forge's bridge, which Forge puts into the page of an app: `window.__bridge`, as `@forge/bridge` calls it.
(() => {
  const waiting = new Map();
  const listeners = [];
  let last = 0;
  let remote;

  addEventListener("message", ({ data, source }) => {
    if (source !== parent) return;
    if (data.location) return listeners.forEach((listener) => listener(data.location));
    const { resolve, reject } = waiting.get(data.answers) ?? {};
    if (!resolve) return;
    waiting.delete(data.answers);
    if ("refused" in data) reject(new Error(data.refused));
    else resolve(data.answer);
  });

  const ask = (bridge, payload) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      parent.postMessage({ bridge, payload, id: last }, "*");
    });

  /** Straight from the browser, with a token that is kept for a while and used again. */
  async function fetchRemote({ fetchRequestInit }) {
    if (!remote || remote.until < Date.now()) {
      remote = { ...(await ask("remote")), until: Date.now() + 15_000 };
    }
    const { path, method = "GET", body, headers } = fetchRequestInit;
    const sent = new Headers(headers);
    sent.set("authorization", `Bearer ${remote.token}`);
    const response = await fetch(`${remote.url}${path}`, { method, headers: sent, ...(body && { body }) });
    const { status, statusText } = response;
    const kind = response.headers.get("content-type") ?? "";
    const told = Object.fromEntries(response.headers);
    if (/json|text/.test(kind)) return { body: await response.text(), headers: told, status, statusText };
    const bytes = new Uint8Array(await response.arrayBuffer());
    const base64 = btoa([...bytes].map((byte) => String.fromCharCode(byte)).join(""));
    return { body: base64, headers: told, status, statusText, isAttachment: true };
  }

  async function createHistory() {
    const history = {
      location: await ask("location"),
      replace: (to) => ask("replace", to),
      push: (to) => ask("replace", to),
      listen: (listener) => listeners.push(listener),
    };
    return history;
  }

  async function enableTheming() {
    const { colorMode } = await ask("enableTheming");
    document.documentElement.dataset.colorMode = colorMode;
  }

  const own = { fetchRemote, createHistory, enableTheming };
  window.__bridge = {
    callBridge: (command, payload) => (own[command] ? own[command](payload) : ask(command, payload)),
  };
  addEventListener("DOMContentLoaded", () => {
    const tell = () => parent.postMessage({ bridge: "height", height: Math.ceil(document.body.scrollHeight) }, "*");
    new ResizeObserver(tell).observe(document.body);
  });
})();
