// Forge Custom UI: `@forge/bridge` (https://developer.atlassian.com/platform/forge/apis-reference/ui-api-bridge/bridge/).
// The package throws where there is no Forge around it, so nothing else may import it.

import { invokeRemote, requestJira, requestRemote, router, view as frame } from "@forge/bridge";
import { type Host, type View, knownZone, languageTag } from "./host";

/** Key of our server in the app's manifest. */
const REMOTE = "hourbook";
/** Where our server takes calls of Forge. */
const BELOW = "/forge";
/** What a call is answered that was made straight, and has to be made in the way that brings the person's own token. */
const NEEDS_TOKEN = "user_token_missing";
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
      const call = await read(request);
      // What is written is Jira's and the person's own, which needs a token of theirs.
      if (WRITES.some((path) => path.test(call.path)) && call.method !== "GET") return throughForge(call);
      const answer = await straight(call);
      return (await needsToken(answer)) ? throughForge(call) : answer;
    },
    jira: async <T>(path: string) => {
      const response = await requestJira(path, { headers: { accept: "application/json" } });
      if (!response.ok) throw new Error(`Jira answered ${response.status}.`);
      return (await response.json()) as T;
    },
    readState: () => Promise.resolve(history?.location.search.replace(/^\?/, "") ?? ""),
    writeState: (state) => history?.replace({ pathname: history.location.pathname, search: `?${state}` }),
    onState: (listener) => history?.listen((location) => listener(location.search.replace(/^\?/, ""))),
    openIssue: (key) => void router.navigate(`/browse/${key}`),
    // Forge follows the height of the content by itself.
    fit: () => undefined,
  };
}

/** Calls that act in Jira as the person. */
const WRITES = [/^\/forge\/api\/v1\/issues\/\d+\/worklogs/];

interface Call {
  path: string;
  method: Method;
  headers: Record<string, string>;
  body: string;
}

type Method = Parameters<typeof invokeRemote>[0]["method"];

async function read(request: Request): Promise<Call> {
  const { pathname, search } = new URL(request.url);
  return {
    path: `${BELOW}${pathname}${search}`,
    method: request.method as Method,
    headers: Object.fromEntries(request.headers),
    body: await request.text(),
  };
}

/** From the browser to our server: quick, of any size and kind, and without a token of Jira's. */
async function straight({ body, ...call }: Call): Promise<Response> {
  return requestRemote(REMOTE, { ...call, ...(body && { body }) });
}

async function needsToken(answer: Response): Promise<boolean> {
  if (answer.status !== 403) return false;
  const told = (await answer
    .clone()
    .json()
    .catch(() => null)) as { code?: string } | null;
  return told?.code === NEEDS_TOKEN;
}

/** Through Forge's servers, which add the person's token for Jira's API: JSON of five megabytes at most. */
async function throughForge({ body, ...call }: Call): Promise<Response> {
  const answer = await invokeRemote({ ...call, ...(body && { body: JSON.parse(body) as unknown }) });
  const headers = Object.entries(answer.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  // Statuses of answers without a body refuse even an empty one.
  const told = answer.body ? JSON.stringify(answer.body) : null;
  return new Response(told, { status: answer.status, headers });
}
