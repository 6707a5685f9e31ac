// The page's half of the simulated Jira: the modules that Jira adds to Atlassian's bridge, as Connect documents them.
/* global connectHost */

const page = document.documentElement.dataset;

async function text(url, init) {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

/** The last argument of a method is where its answer goes. */
const answering = (work) => async (...args) => args.at(-1)(await work(...args.slice(0, -1)));

connectHost.defineModule("context", {
  getToken: answering(() => text("/host/token")),
  getContext: answering(() => (page.issue ? { jira: { issue: { id: page.issue, key: page.key } } } : { jira: {} })),
});
connectHost.defineModule("user", {
  getCurrentUser: answering(() => ({ atlassianAccountId: page.account })),
  getLocale: answering(() => page.locale),
  getTimeZone: answering(() => page.zone),
});

async function request(options) {
  const { url, type = "GET", data, contentType } = options;
  const response = await fetch(url, {
    method: type,
    headers: { accept: "application/json", ...(contentType && { "content-type": contentType }) },
    ...(data !== undefined && { body: data }),
  });
  const answer = { body: await response.text(), xhr: { status: response.status } };
  if (!response.ok) throw answer;
  return answer;
}
request.returnsPromise = true;
connectHost.defineModule({ request });

// What the app keeps in the address stands behind `#!`, as on Jira's own pages.
const state = () => decodeURIComponent(location.hash.replace(/^#!?/, ""));
connectHost.defineModule("history", {
  getState: answering(() => state()),
  pushState: (to) => history.pushState(null, "", `#!${encodeURIComponent(to)}`),
  replaceState: (to) => history.replaceState(null, "", `#!${encodeURIComponent(to)}`),
});
addEventListener("popstate", () =>
  connectHost.broadcastEvent("history_popstate", {}, { newURL: state() }),
);
connectHost.defineModule("navigator", {
  go: (target, { issueKey }) => target === "issue" && location.assign(`/browse/${issueKey}`),
});

connectHost.registerProvider("addon", {
  resize: (_, height, context) => {
    document.getElementById(context.extension_id).style.height = `${parseInt(height, 10)}px`;
  },
  sizeToParent: (_, context) => document.getElementById(context.extension_id).classList.add("whole"),
  registerUnmountCallback: () => undefined,
});

const frame = document.querySelector("[data-frame]");
if (frame) {
  const { iframeAttributes } = connectHost.createExtension({
    addon_key: page.app,
    key: frame.dataset.module,
    url: frame.dataset.frame,
    options: { isFullPage: frame.dataset.module !== "hourbook-panel", autoresize: true },
  });
  const iframe = document.createElement("iframe");
  for (const [name, value] of Object.entries(iframeAttributes)) iframe.setAttribute(name, value);
  iframe.title = "Hourbook";
  iframe.className = "app";
  frame.append(iframe);
}
