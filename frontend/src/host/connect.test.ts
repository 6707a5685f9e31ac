import { beforeEach, describe, expect, it, vi } from "vitest";
import { connect, expiry } from "./connect";

/** A token of Jira's that expires in so many seconds. */
function token(seconds: number): string {
  const payload = btoa(JSON.stringify({ sub: "me", exp: Date.now() / 1000 + seconds }));
  return `head.${payload.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.signature`;
}

function bridge(seconds = 600) {
  const handlers: Record<string, (data: unknown) => void> = {};
  return {
    handlers,
    context: { getToken: vi.fn((answer: (token: string) => void) => answer(token(seconds))) },
    user: {
      getLocale: (answer: (locale: string) => void) => answer("de_AT"),
      getTimeZone: (answer: (zone: string) => void) => answer("Europe/Vienna"),
    },
    request: vi.fn(() => Promise.resolve({ body: '{"key":"A-1"}' })),
    resize: vi.fn(),
    register: (more: typeof handlers) => Object.assign(handlers, more),
    theming: { initializeTheming: vi.fn() },
  };
}

describe("the Connect host", () => {
  const fetched = vi.fn<(url: string, init?: RequestInit) => Promise<Response>>(() =>
    Promise.resolve(new Response("{}")),
  );

  beforeEach(() => {
    fetched.mockClear();
    vi.stubGlobal("fetch", fetched);
    Object.assign(document.documentElement.dataset, {
      host: "connect",
      view: "panel",
      api: "https://app.example/base",
      account: "me",
      site: "https://acme.example",
      issue: "10001",
    });
  });

  const start = async (AP: ReturnType<typeof bridge>) => {
    vi.stubGlobal("AP", AP);
    return connect();
  };

  it("tells who looks, where, and in which language", async () => {
    expect((await start(bridge())).context).toEqual({
      view: "panel",
      accountId: "me",
      siteUrl: "https://acme.example",
      locale: "de-AT",
      zone: "Europe/Vienna",
      issueId: "10001",
    });
  });

  it("proves calls of our server by a token that it keeps in memory until shortly before it expires", async () => {
    const [lasting, short] = [bridge(600), bridge(20)];
    const host = await start(lasting);
    const request = () => new Request("https://app.example/api/v1/me?x=1");
    await host.backend(request());
    await host.backend(request());
    expect(lasting.context.getToken).toHaveBeenCalledTimes(1);
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(url).toBe("https://app.example/base/api/v1/me?x=1");
    expect(new Headers(init?.headers).get("Authorization")).toMatch(/^JWT head\./);
    const hurried = await start(short);
    await hurried.backend(request());
    expect(short.context.getToken).toHaveBeenCalledTimes(2);
    expect(JSON.stringify([localStorage, sessionStorage])).not.toContain("head.");
  });

  it("sends the last words of a page that closes in the same turn", async () => {
    const host = await start(bridge());
    void host.backend(new Request("https://app.example/api/v1/x", { method: "DELETE", keepalive: true }));
    expect(fetched).toHaveBeenCalledTimes(1);
  });

  it("reads from Jira through Jira", async () => {
    const AP = bridge();
    const host = await start(AP);
    expect(await host.jira("/rest/api/3/issue/1")).toEqual({ key: "A-1" });
    expect(AP.request).toHaveBeenCalledWith({ url: "/rest/api/3/issue/1", type: "GET" });
    expect(fetched).not.toHaveBeenCalled();
  });

  it("follows Jira's theme, and the system's where Jira has none", async () => {
    const { handlers } = await (async () => {
      const AP = bridge();
      await start(AP);
      return AP;
    })();
    const mode = () => document.documentElement.dataset["colorMode"];
    handlers["theme_initialized"]?.({ initialTheme: { colorMode: "dark" } });
    expect(mode()).toBe("dark");
    handlers["theme_changed"]?.({ newTheme: { colorMode: "light" } });
    expect(mode()).toBe("light");
    handlers["theme_changed"]?.({ newTheme: { colorMode: "auto" } });
    expect(mode()).toBeUndefined();
  });

  it("says so where the bridge is missing, or does not answer", async () => {
    vi.stubGlobal("AP", undefined);
    await expect(connect()).rejects.toThrow("was not loaded");
    vi.useFakeTimers();
    const silent = { ...bridge(), context: { getToken: () => undefined } };
    vi.stubGlobal("AP", silent);
    const started = expect(connect()).rejects.toThrow("does not answer");
    await vi.advanceTimersByTimeAsync(11_000);
    await started;
    vi.useRealTimers();
  });

  it("reads when a token expires", () => {
    expect(Math.round((expiry(token(60)) - Date.now()) / 1000)).toBe(60);
    expect(["", "a.b", "a.!!.c"].map(expiry)).toEqual([0, 0, 0]);
  });
});
