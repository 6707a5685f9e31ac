// Forge Custom UI: `@forge/bridge` (https://developer.atlassian.com/platform/forge/apis-reference/ui-api-bridge/bridge/).
// The package throws where there is no Forge around it, so nothing else may import it.

import { requestJira, requestRemote, router, view as frame } from "@forge/bridge";
import { type Host, type View, knownZone, languageTag } from "./host";

/** Key of our server in the app's manifest. */
const REMOTE = "hourbook";
const VIEWS: Record<string, View> = {
  "hourbook-panel": "panel",
  "hourbook-reports": "reports",
  "hourbook-admin": "admin",
};

interface Extension {
  issue?: { id?: string };
}

/** Speaks to Jira through Forge's bridge. */
export async function forge(): Promise<Host> {
  await frame.theme.enable();
  const context = await frame.getContext();
  const view = VIEWS[context.moduleKey];
  if (!view) throw new Error(`No page is known for the module ${context.moduleKey}.`);
  const issueId = (context.extension as Extension).issue?.id;
  const history = view === "panel" ? undefined : await frame.createHistory();
  return {
    context: {
      view,
      accountId: context.accountId ?? "",
      siteUrl: context.siteUrl,
      locale: languageTag(context.locale),
      zone: knownZone(context.timezone),
      ...(issueId && { issueId }),
    },
    backend: async (request) => {
      const url = new URL(request.url);
      const body = await request.text();
      return requestRemote(REMOTE, {
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: Object.fromEntries(request.headers),
        ...(body && { body }),
      });
    },
    jira: async <T>(path: string) => {
      const response = await requestJira(path, { headers: { accept: "application/json" } });
      if (!response.ok) throw new Error(`Jira answered ${response.status}.`);
      return (await response.json()) as T;
    },
    readState: () => Promise.resolve(history?.location.search.replace(/^\?/, "") ?? ""),
    writeState: (state) => history?.replace({ pathname: history.location.pathname, search: `?${state}` }),
    onState: (listener) => history?.listen((location) => listener(location.search.replace(/^\?/, ""))),
    openIssue: (key) => void router.open(`/browse/${key}`),
    // Forge follows the height of the content by itself.
    fit: () => undefined,
  };
}
