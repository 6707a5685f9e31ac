// What tests use: Jira as a person sees it, and what happens in it behind their back.

import { type BrowserContext, type FrameLocator, type Page, test as base, expect } from "@playwright/test";

export interface Site {
  url: string;
  issue: { id: string; key: string };
  reports: string;
  admin: string;
  /** Account ids; the first administers Jira. */
  people: string[];
}

interface Links {
  app: string;
  /** `acme` and `bolt` have Hourbook by Connect, the others by Forge; `dusk` has no licence, `dawn` a trial. */
  sites: Record<"acme" | "bolt" | "cosy" | "dusk" | "dawn", Site>;
}

export function links(): Links {
  return JSON.parse(process.env["HOURBOOK_LINKS"] ?? "{}") as Links;
}

/** How a page is looked at. */
export interface Look {
  as?: string;
  theme?: "light" | "dark";
  locale?: "en_US" | "de_DE";
}

/** One site, and a browser that looks at it. */
export class World {
  readonly problems: string[] = [];

  constructor(
    readonly page: Page,
    public site: Site,
  ) {
    watch(page, this.problems);
  }

  /** Somebody of the site, by number; 0 is the admin. */
  person(at: number): string {
    return this.site.people[at] ?? "";
  }

  /** The app's page in its frame. */
  get app(): FrameLocator {
    return this.page.frameLocator("iframe.app");
  }

  async look(look: Look): Promise<void> {
    const cookies = {
      session: look.as ?? this.person(0),
      theme: look.theme ?? "light",
      locale: look.locale ?? "en_US",
    };
    await this.page
      .context()
      .addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: this.site.url })));
  }

  async open(url: string, look: Look = {}): Promise<void> {
    await this.look(look);
    // Another fragment alone would not load the page anew.
    await this.page.goto("about:blank");
    await this.page.goto(url);
    await this.app.locator("main:not([aria-busy='true'])").waitFor();
  }

  async openIssue(key: string, look: Look = {}): Promise<void> {
    await this.open(`${this.site.url}/browse/${key}`, look);
    await this.app.getByRole("heading", { name: /Worklogs|Einträge/ }).waitFor();
  }

  async openReports(state: string, look: Look = {}): Promise<void> {
    await this.open(`${this.site.reports}#!${encodeURIComponent(state)}`, look);
    await this.app.locator(".answer[aria-busy='false'], .message.error").first().waitFor();
  }

  /** Something happens in Jira. */
  async jira<T = unknown>(deed: Record<string, unknown>): Promise<T> {
    const response = await this.page.request.post(`${this.site.url}/host/control`, { data: deed });
    expect(response.ok(), await response.text()).toBe(true);
    return (await response.json()) as T;
  }

  /** A new issue, of this test alone. */
  async issue(estimate?: number): Promise<{ id: string; key: string }> {
    return this.jira({ do: "issue", summary: "An issue of a test", ...(estimate && { estimate }) });
  }

  /** What Jira has on an issue. */
  async inJira(
    issueId: string,
  ): Promise<{ id: string; timeSpentSeconds: number; comment?: unknown; started: string }[]> {
    return this.jira({ do: "worklogs", issueId: Number(issueId) });
  }

  /** Somebody logs work in Jira itself. */
  async log(issueId: string, seconds: number, more: Record<string, unknown> = {}): Promise<string> {
    const log = { do: "log", account: this.person(0), issueId: Number(issueId), seconds, ...more };
    return (await this.jira<{ id: string }>(log)).id;
  }
}

/** Notes whatever a browser complains about: scripts that fail, policies that are violated. */
function watch(page: Page, problems: string[]): void {
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    const text = message.text();
    // Atlassian's own bridge misses its product's libraries.
    const isTheirs = text.includes("[ACJS]") || text.includes("[Simple-XDM]");
    // Told by the page itself.
    const isAnswer = text.startsWith("Failed to load resource");
    if (message.type() === "error" && !isTheirs && !isAnswer) problems.push(text);
  });
}

export const test = base.extend<{ world: World }>({
  world: async ({ page }, use) => {
    const world = new World(page, links().sites.acme);
    await use(world);
    expect(world.problems, "the browser complains about nothing").toEqual([]);
  },
});

/** A second tab of the same browser. */
export async function secondTab(context: BrowserContext, site: Site): Promise<World> {
  return new World(await context.newPage(), site);
}

export { expect };
