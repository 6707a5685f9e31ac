// Neither Connect nor Forge: the page on its own beside a simulated Jira, for development and measurements. The
// development server passes `/api` on to Hourbook and `/jira` to the site.

import { type Host, isView, knownZone, languageTag, proved } from "./host";

/** Speaks to a simulated Jira. */
export async function standalone(): Promise<Host> {
  const query = new URLSearchParams(location.search);
  const view = query.get("view") ?? "reports";
  if (!isView(view)) throw new Error(`There is no page ${view}.`);
  const theme = query.get("theme");
  if (theme) document.documentElement.dataset["colorMode"] = theme;
  const token = await (await fetch("/jira/host/token")).text();
  const issueId = query.get("issueId");
  return {
    context: {
      view,
      accountId: subject(token),
      siteUrl: location.origin,
      locale: languageTag(query.get("locale") ?? navigator.language),
      zone: knownZone(query.get("zone") ?? undefined),
      ...(issueId && { issueId }),
    },
    backend: async (request) => fetch(request.url, await proved(request, token)),
    jira: async <T>(path: string) => {
      const response = await fetch(`/jira${path}`);
      if (!response.ok) throw new Error(`Jira answered ${response.status}.`);
      return (await response.json()) as T;
    },
    readState: () => Promise.resolve(decodeURIComponent(location.hash.slice(1))),
    writeState: (state) => history.replaceState(null, "", `#${encodeURIComponent(state)}`),
    onState: (listener) =>
      addEventListener("popstate", () => listener(decodeURIComponent(location.hash.slice(1)))),
    openIssue: (key) => window.open(`/jira/browse/${key}`, "_blank", "noopener"),
    fit: () => undefined,
  };
}

function subject(token: string): string {
  return (JSON.parse(atob(token.split(".")[1] ?? "")) as { sub: string }).sub;
}
