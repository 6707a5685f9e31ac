// What a page needs of the product around it. Three adapters know how each host gives it; nothing else does.

/** The pages there are. */
export type View = "panel" | "reports" | "admin";

/** What the host says of the page and of who looks at it. */
export interface Context {
  readonly view: View;
  /** Atlassian account id. */
  readonly accountId: string;
  /** Address of the Jira site; drafts are kept apart by it. */
  readonly siteUrl: string;
  /** Language tag of the person, such as `de-DE`. */
  readonly locale: string;
  /** IANA name of the zone of the person's Jira profile. */
  readonly zone: string;
  /** Jira's id of the issue, in a panel. */
  readonly issueId?: string;
}

/** The product around the page. */
export interface Host {
  readonly context: Context;
  /** Calls our own server, proved by the host. Rejects only if no answer came. */
  backend(request: Request): Promise<Response>;
  /** Reads from Jira as the person, in the browser: it never touches our server. `path` begins with `/rest/`. */
  jira<T>(path: string): Promise<T>;
  /** The state that the page keeps in the address of the page around it; empty if none. */
  readState(): Promise<string>;
  writeState(state: string): void;
  /** Tells when the person went back or forth to another state. */
  onState(listener: (state: string) => void): void;
  openIssue(key: string): void;
  /** Keeps the frame as high as its content. */
  fit(content: HTMLElement): void;
}

/** Finds the host: each adapter is loaded only where it is needed. */
export async function findHost(): Promise<Host> {
  if (document.documentElement.dataset["host"] === "connect") return (await import("./connect")).connect();
  if ("__bridge" in window) return (await import("./forge")).forge();
  return (await import("./standalone")).standalone();
}

export function isView(name: string | null | undefined): name is View {
  return name === "panel" || name === "reports" || name === "admin";
}

/** The language tag in a locale as Jira writes it, such as `de_DE`; English if it is none. */
export function languageTag(locale: string | undefined): string {
  try {
    return new Intl.Locale((locale ?? "en").replace("_", "-")).toString();
  } catch {
    return "en";
  }
}

/** A zone that this browser knows; its own if the host's is none. */
export function knownZone(zone: string | undefined): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return new Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

/**
 * A request with a token. A body is read first: as a stream it could not be sent over HTTP/1. Without one there is no
 * turn of the event loop, which a page that closes does not have.
 */
export function proved(request: Request, token: string): RequestInit | Promise<RequestInit> {
  const { method, signal, keepalive } = request;
  const headers = new Headers(request.headers);
  headers.set("Authorization", `JWT ${token}`);
  const init = { method, headers, signal, keepalive };
  return request.body ? request.text().then((body) => ({ ...init, body })) : init;
}
