// Every page and state that is looked at: by axe, at every width, and by people in pictures.

import { type World, links } from "./world";

export interface State {
  name: string;
  open: (world: World) => Promise<void>;
}

const reports = (name: string, state: string, then?: (world: World) => Promise<void>): State => ({
  name: `reports-${name}`,
  open: async (world) => {
    await world.openReports(state);
    await then?.(world);
  },
});

const admin = (tab: string): State => ({
  name: `admin-${tab}`,
  open: async (world) => {
    await world.open(`${world.site.admin}#!${tab}`);
    await world.app.locator(".tabpanel > :not([aria-busy])").first().waitFor();
  },
});

const pivot = "kind=pivot&range=last180&rows=project,user&columns=month&measures=seconds,worklogs";

/** The same on a site of Forge. */
const byForge = (state: State): State => ({
  name: `forge-${state.name}`,
  open: async (world) => {
    world.site = links().sites.cosy;
    await state.open(world);
  },
});

/** Where the licence has expired, as everybody sees it; and a trial, as admins do. */
const licence = (name: string, site: "dusk" | "dawn", told: string, open: State["open"]): State => ({
  name: `licence-${name}`,
  open: async (world) => {
    world.site = links().sites[site];
    await open(world);
    await world.app.getByText(told).waitFor();
  },
});
const EXPIRED = ["dusk", "The Hourbook licence has expired"] as const;
const TRIAL = ["dawn", "This is a trial of Hourbook."] as const;

export const STATES: State[] = [
  { name: "panel", open: (world) => world.openIssue(world.site.issue.key) },
  {
    name: "panel-empty",
    open: async (world) => world.openIssue((await world.issue(8 * 3600)).key),
  },
  {
    name: "panel-filled",
    open: async (world) => {
      await world.openIssue((await world.issue(8 * 3600)).key);
      await world.app.getByLabel("Time spent").fill("1.30h");
      await world.app.getByText("Remaining estimate").click();
    },
  },
  {
    name: "panel-refused",
    open: async (world) => {
      const issue = await world.issue();
      await world.openIssue(issue.key);
      const path = `/issue/${issue.id}/worklog`;
      await world.jira({ do: "fail", method: "POST", path, times: 1, how: { status: 400 } });
      await world.app.getByLabel("Time spent").fill("20m");
      await world.app.getByLabel("Time spent").press("Enter");
      await world.app.getByRole("alert").waitFor();
    },
  },
  {
    name: "panel-editing",
    open: async (world) => {
      await world.openIssue(world.site.issue.key);
      await world.app.getByRole("button", { name: "Edit" }).first().click();
    },
  },
  reports("week", ""),
  reports("timesheet", "kind=timesheet&range=lastMonth&rows=user,issue&columns=day&measures=seconds"),
  reports("pivot", pivot),
  reports("chart", `${pivot}&view=chart`),
  reports("share", "kind=summary&range=last180&rows=project&measures=seconds&view=chart"),
  reports(
    "summary",
    "kind=summary&range=last180&rows=project,issue&measures=seconds,worklogs,people&sort=-seconds",
  ),
  reports("details", "kind=details&range=last90&measures=seconds,effective"),
  reports("overlaps", "kind=overlaps&range=thisYear&measures=seconds"),
  reports("behind-a-number", pivot, async ({ app }) => {
    await app.locator("button.value").first().click();
    await app.getByRole("dialog").getByRole("row").nth(1).waitFor();
  }),
  reports("range", pivot, async ({ app }) => {
    await app.getByRole("button", { name: /^Days: / }).click();
    await app.locator(".calendar table").waitFor();
  }),
  reports("filter", pivot, async ({ app }) => {
    await app.getByRole("button", { name: "Add filter" }).click();
    await app.getByRole("menuitem", { name: "Person" }).click();
    await app.getByRole("option").first().waitFor();
  }),
  reports("save", pivot, async ({ app }) => {
    await app.getByRole("button", { name: "Save as…" }).click();
  }),
  ...["sync", "settings", "tags", "privacy", "audit"].map(admin),
  byForge({ name: "panel", open: (world) => world.openIssue(world.site.issue.key) }),
  byForge(reports("pivot", pivot)),
  byForge(admin("sync")),
  licence("expired-panel", ...EXPIRED, (world) => world.openIssue(world.site.issue.key)),
  licence("expired-reports", ...EXPIRED, (world) => world.openReports("")),
  licence("expired-tags", ...EXPIRED, admin("tags").open),
  licence("trial-admin", ...TRIAL, (world) => world.open(world.site.admin)),
];
