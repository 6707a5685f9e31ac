import { beforeEach, describe, expect, it, vi } from "vitest";

const bridge = vi.hoisted(() => ({
  view: {
    theme: { enable: vi.fn(() => Promise.resolve()) },
    getContext: vi.fn(),
    createHistory: vi.fn(),
  },
  requestRemote: vi.fn(),
  invokeRemote: vi.fn(),
  requestJira: vi.fn(),
  router: { navigate: vi.fn() },
}));
// The package throws outside of Forge.
vi.mock("@forge/bridge", () => bridge);

const { forge } = await import("./forge");

describe("the Forge host", () => {
  beforeEach(() => {
    vi.clearAllMocks();
    bridge.view.getContext.mockResolvedValue({
      moduleKey: "hourbook-panel",
      accountId: "me",
      siteUrl: "https://acme.example",
      locale: "de_DE",
      timezone: "Europe/Berlin",
      extension: { issue: { id: "10001" } },
    });
  });

  it("tells who looks, where, and in which language", async () => {
    expect((await forge()).context).toEqual({
      view: "panel",
      accountId: "me",
      siteUrl: "https://acme.example",
      locale: "de-DE",
      zone: "Europe/Berlin",
      issueId: "10001",
    });
    expect(bridge.view.theme.enable).toHaveBeenCalled();
  });

  it("calls our server as the remote of the app, with what the call has in it", async () => {
    bridge.requestRemote.mockResolvedValue(new Response("{}"));
    const host = await forge();
    const init = { method: "POST", body: '{"a":1}', headers: { "Idempotency-Key": "k" } };
    await host.backend(new Request("https://x.example/api/v1/y?z=1", init));
    const [remote, sent] = bridge.requestRemote.mock.calls[0] as [string, Record<string, unknown>];
    expect(remote).toBe("hourbook");
    expect(sent).toMatchObject({ path: "/forge/api/v1/y?z=1", method: "POST", body: '{"a":1}' });
    // The test's DOM keeps the spelling that browsers lower.
    expect(new Headers(sent["headers"] as HeadersInit).get("Idempotency-Key")).toBe("k");
    expect(bridge.invokeRemote).not.toHaveBeenCalled();
  });

  it("writes through Forge, which adds the person's own token", async () => {
    bridge.invokeRemote.mockResolvedValue({ status: 201, headers: { etag: ["1"] }, body: { id: "7" } });
    const host = await forge();
    const init = { method: "POST", body: '{"a":1}' };
    const answer = await host.backend(new Request("https://x.example/api/v1/issues/1/worklogs", init));
    expect(bridge.requestRemote).not.toHaveBeenCalled();
    const [sent] = bridge.invokeRemote.mock.calls[0] as [Record<string, unknown>];
    expect(sent).toMatchObject({ path: "/forge/api/v1/issues/1/worklogs", method: "POST", body: { a: 1 } });
    expect([answer.status, answer.headers.get("etag"), await answer.json()]).toEqual([201, "1", { id: "7" }]);
  });

  it("asks again through Forge where an answer needs the person's token, and only there", async () => {
    const refused = (status: number, code: string) => new Response(JSON.stringify({ code }), { status });
    bridge.invokeRemote.mockResolvedValue({ status: 204, headers: {}, body: undefined });
    const host = await forge();
    const ask = () => host.backend(new Request("https://x.example/api/v1/reports"));
    bridge.requestRemote.mockResolvedValueOnce(refused(403, "user_token_missing"));
    expect((await ask()).status).toBe(204);
    expect(bridge.invokeRemote).toHaveBeenCalledTimes(1);
    bridge.requestRemote.mockResolvedValueOnce(refused(403, "admin_only"));
    const told = await ask();
    expect([told.status, await told.json()]).toEqual([403, { code: "admin_only" }]);
    expect(bridge.invokeRemote).toHaveBeenCalledTimes(1);
  });

  it("reads from Jira through Jira, and tells when Jira refuses", async () => {
    const host = await forge();
    bridge.requestJira.mockResolvedValueOnce(new Response('{"key":"A-1"}'));
    expect(await host.jira("/rest/api/3/issue/1")).toEqual({ key: "A-1" });
    bridge.requestJira.mockResolvedValueOnce(new Response("", { status: 403 }));
    await expect(host.jira("/rest/api/3/issue/1")).rejects.toThrow("403");
  });

  it("keeps the state of a page in Jira's address", async () => {
    const history = {
      location: { pathname: "/p", search: "?kind=pivot" },
      replace: vi.fn(),
      listen: vi.fn(),
    };
    bridge.view.createHistory.mockResolvedValue(history);
    bridge.view.getContext.mockResolvedValue({ moduleKey: "hourbook-reports", siteUrl: "", extension: {} });
    const host = await forge();
    expect(await host.readState()).toBe("kind=pivot");
    host.writeState("kind=summary");
    expect(history.replace).toHaveBeenCalledWith({ pathname: "/p", search: "?kind=summary" });
  });

  it("knows no page for a module that is not ours", async () => {
    bridge.view.getContext.mockResolvedValue({ moduleKey: "other", siteUrl: "", extension: {} });
    await expect(forge()).rejects.toThrow("other");
  });
});
