// Atlassian Connect: Jira's bridge `AP` (https://developer.atlassian.com/cloud/jira/platform/about-the-connect-javascript-api/).

import { type Host, isView, knownZone, languageTag, proved } from "./host";

interface Bridge {
  context: { getToken(answer: (token: string) => void): void };
  user?: {
    getLocale?(answer: (locale: string) => void): void;
    getTimeZone?(answer: (zone: string) => void): void;
  };
  request(options: { url: string; type: string }): Promise<{ body: string }>;
  resize(width: string, height: string): void;
  history?: {
    getState(answer: (state: string) => void): void;
    replaceState(state: string): void;
  };
  navigator?: { go(target: "issue", options: { issueKey: string }): void };
  theming?: { initializeTheming(): void };
  register(handlers: Record<string, (data: unknown) => void>): void;
}

interface ThemeEvent {
  initialTheme?: { colorMode?: string };
  newTheme?: { colorMode?: string };
}

/** How long the bridge may take to answer at all. */
const PATIENCE_MS = 10_000;
/** A token is renewed that long before it expires. */
const EARLY_MS = 30_000;

/** Speaks to Jira through `AP`. */
export async function connect(): Promise<Host> {
  const bridge = (window as unknown as { AP?: Bridge }).AP;
  if (!bridge) throw new Error("Jira's bridge (all.js) was not loaded.");
  followTheme(bridge);
  const about = document.documentElement.dataset;
  const view = about["view"];
  if (!isView(view)) throw new Error("The page does not say what it shows.");
  const tokens = new Tokens(() => asked((answer) => bridge.context.getToken(answer)));
  // Asked at once: they come over one bridge, and the first answer shows that it works.
  const [locale, zone] = await Promise.all([
    optional<string>(bridge.user?.getLocale && ((answer) => bridge.user?.getLocale?.(answer))),
    optional<string>(bridge.user?.getTimeZone && ((answer) => bridge.user?.getTimeZone?.(answer))),
    tokens.get(),
  ]);
  const api = about["api"] ?? "";
  return {
    context: {
      view,
      accountId: about["account"] ?? "",
      siteUrl: about["site"] ?? "",
      locale: languageTag(locale),
      zone: knownZone(zone),
      ...(about["issue"] && { issueId: about["issue"] }),
    },
    backend: async (request) => {
      const token = tokens.atHand() ?? (await tokens.get());
      const { pathname, search } = new URL(request.url);
      const init = proved(request, token);
      return fetch(`${api}${pathname}${search}`, init instanceof Promise ? await init : init);
    },
    jira: async <T>(path: string) => JSON.parse((await bridge.request({ url: path, type: "GET" })).body) as T,
    readState: async () =>
      (await optional<string>(bridge.history && ((answer) => bridge.history?.getState(answer)))) ?? "",
    writeState: (state) => bridge.history?.replaceState(state),
    onState: (listener) =>
      bridge.register({ history_popstate: (event) => listener((event as { newURL?: string }).newURL ?? "") }),
    openIssue: (key) => bridge.navigator?.go("issue", { issueKey: key }),
    fit: (content) => {
      const tell = () => bridge.resize("100%", `${Math.ceil(content.getBoundingClientRect().height)}px`);
      new ResizeObserver(tell).observe(content);
      tell();
    },
  };
}

/** The bridge's own way would load style sheets from elsewhere; ours hold the same tokens. */
function followTheme(bridge: Bridge): void {
  const show = (data: unknown) => {
    const event = data as ThemeEvent;
    const mode = (event.initialTheme ?? event.newTheme)?.colorMode;
    const root = document.documentElement;
    if (mode === "light" || mode === "dark") root.dataset["colorMode"] = mode;
    else delete root.dataset["colorMode"];
  };
  bridge.register({ theme_initialized: show, theme_changed: show });
  bridge.theming?.initializeTheming();
}

async function asked<T>(ask: (answer: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("Jira's bridge does not answer.")), PATIENCE_MS);
    ask(resolve);
  });
}

async function optional<T>(ask: ((answer: (value: T) => void) => void) | undefined): Promise<T | undefined> {
  return ask ? asked(ask) : undefined;
}

/** Tokens of the page, in memory only. */
class Tokens {
  private token: string | undefined;
  private expires = 0;

  constructor(private readonly fetchToken: () => Promise<string>) {}

  atHand(): string | undefined {
    return Date.now() < this.expires - EARLY_MS ? this.token : undefined;
  }

  async get(): Promise<string> {
    const token = await this.fetchToken();
    this.token = token;
    this.expires = expiry(token);
    return token;
  }
}

/** When a token expires, ms since 1970; 0 if it does not say. */
export function expiry(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    return ((JSON.parse(atob(payload)) as { exp?: number }).exp ?? 0) * 1000;
  } catch {
    return 0;
  }
}
