// Jira's half of Forge's bridge: what the iframe of an app asks of the page around it.

const about = document.documentElement.dataset;

const state = () => decodeURIComponent(location.hash.replace(/^#!?/, ""));
const here = () => ({ pathname: location.pathname, search: state() ? `?${state()}` : "", hash: "", key: "", state: null });

async function asked(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** What the bridge documents, by the name of the call. */
const answers = {
  getContext: (module) => ({
    accountId: about.account,
    cloudId: about.cloud,
    localId: `ari:cloud:ecosystem::extension/${module}`,
    moduleKey: module,
    environmentType: "PRODUCTION",
    siteUrl: location.origin,
    locale: about.locale,
    timezone: about.zone,
    theme: { colorMode: about.colorMode },
    extension: about.issue
      ? { type: "jira:issueContext", issue: { id: about.issue, key: about.key } }
      : { type: module === "hourbook-admin" ? "jira:adminPage" : "jira:globalPage" },
  }),
  enableTheming: () => ({ colorMode: about.colorMode }),
  location: () => here(),
  replace: (_, { search }) => {
    history.replaceState(null, "", `#!${encodeURIComponent((search ?? "").replace(/^\?/, ""))}`);
    return here();
  },
  navigate: (_, { url }) => location.assign(url),
  fetchProduct: async (_, { restPath, fetchRequestInit }) => {
    const { method = "GET", body, headers } = fetchRequestInit;
    const response = await fetch(restPath, { method, headers, ...(body && { body }) });
    const { status, statusText } = response;
    return { body: await response.text(), headers: Object.fromEntries(response.headers), status, statusText };
  },
  // Through Forge's own servers, which add the tokens that Jira's API takes.
  invoke: (module, call) => asked("/host/forge/invoke", { module, ...call }),
  remote: (module) => asked("/host/forge/remote", { module }),
};

addEventListener("message", async ({ data, source }) => {
  const frame = [...document.querySelectorAll("iframe.app")].find((one) => one.contentWindow === source);
  if (!frame || !data?.bridge) return;
  if (data.bridge === "height") {
    if (!frame.classList.contains("whole")) frame.style.height = `${data.height}px`;
    return;
  }
  try {
    const answer = await answers[data.bridge](frame.dataset.module, data.payload);
    source.postMessage({ answers: data.id, answer: answer ?? null }, "*");
  } catch (error) {
    source.postMessage({ answers: data.id, refused: String(error) }, "*");
  }
});
addEventListener("popstate", () => {
  for (const frame of document.querySelectorAll("iframe.app")) frame.contentWindow.postMessage({ location: here() }, "*");
});

for (const place of document.querySelectorAll("[data-forge]")) {
  const frame = document.createElement("iframe");
  frame.className = place.dataset.whole ? "app whole" : "app";
  frame.dataset.module = place.dataset.module;
  frame.title = "Hourbook";
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-downloads allow-modals");
  frame.src = place.dataset.forge;
  place.replaceChildren(frame);
}
