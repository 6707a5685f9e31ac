// The pages as Forge hosts them: from another origin, in a sandbox, over its bridge.

import { World, expect, links, test as base } from "./world";

const test = base.extend<{ world: World }>({
  world: async ({ page }, use) => {
    const world = new World(page, links().sites.cosy);
    await use(world);
    expect(world.problems, "the browser complains about nothing").toEqual([]);
  },
});

test("time is logged, changed and deleted as the person", async ({ world }) => {
  const issue = await world.issue(8 * 3600);
  await world.openIssue(issue.key, { as: world.person(1) });
  const { app } = world;
  await app.getByLabel("Time spent").fill("1h 30m");
  await app.getByLabel("Time spent").press("Enter");
  await expect(app.getByText("1 hour, 30 minutes logged in Jira.")).toBeAttached();
  expect(await world.inJira(issue.id)).toMatchObject([{ timeSpentSeconds: 5400 }]);
  // The estimate is Jira's, asked of Jira.
  await expect(app.getByText("19% of the estimate")).toBeVisible();
  await app.getByRole("button", { name: "Edit" }).click();
  const field = app.getByRole("listitem").getByLabel("Time spent");
  await field.fill("2h");
  await field.press("Enter");
  await expect.poll(async () => world.inJira(issue.id)).toMatchObject([{ timeSpentSeconds: 7200 }]);
});

test("the frame is as high as the panel, in Jira's theme and language", async ({ world }) => {
  await world.openIssue(world.site.issue.key, { theme: "dark", locale: "de_DE" });
  await expect(world.app.locator("html")).toHaveAttribute("data-color-mode", "dark");
  await expect(world.app.getByRole("heading", { name: /Einträge/ })).toBeVisible();
  const frame = world.page.locator("iframe.app");
  const inside = await world.app.locator("body").evaluate((body) => body.scrollHeight);
  await expect.poll(async () => (await frame.boundingBox())?.height ?? 0).toBeGreaterThanOrEqual(inside - 2);
});

test("a report answers, keeps its state in Jira's address, and is a file", async ({ world }) => {
  await world.openReports("kind=pivot&range=thisYear&rows=user&columns=month&measures=seconds");
  const { app, page } = world;
  await expect(app.locator("tbody tr").first()).toBeVisible();
  await app.getByRole("button", { name: "Chart" }).click();
  await expect.poll(() => decodeURIComponent(page.url())).toContain("view=chart");
  for (const [format, begins] of [
    ["CSV", 0xef],
    ["XLSX", 0x50],
  ] as const) {
    const downloading = page.waitForEvent("download");
    await app.getByRole("button", { name: "Export" }).click();
    await app.getByRole("menuitem", { name: new RegExp(format) }).click();
    const stream = await (await downloading).createReadStream();
    const [first] = (await stream.toArray()) as Buffer[];
    expect(first?.[0]).toBe(begins);
  }
});

test("JQL and what is restricted are asked for as the person", async ({ world }) => {
  await world.openReports(
    "kind=summary&range=thisYear&rows=issue&measures=seconds&jql=labels%20%3D%20billable",
  );
  await expect(world.app.locator(".answer[aria-busy='false']")).toBeVisible();
  await expect(world.app.locator(".message.error")).toHaveCount(0);
});

test("an admin's page tells where the sync stands", async ({ world }) => {
  await world.open(world.site.admin);
  await expect(world.app.getByRole("heading", { name: "Hourbook" })).toBeVisible();
  await world.app.getByRole("tab", { name: "Privacy" }).click();
  await expect(
    world.app.getByText("worklogs.account_id").or(world.app.getByText("account_id").first()).first(),
  ).toBeVisible();
});

test("without a licence everything is read and nothing is offered to be written", async ({ page }) => {
  const world = new World(page, links().sites.dusk);
  await world.openIssue(world.site.issue.key);
  await expect(world.app.getByText("The Hourbook licence has expired")).toBeVisible();
  await expect(world.app.getByLabel("Time spent")).toHaveCount(0);
  await expect(world.app.getByRole("button", { name: "Edit" })).toHaveCount(0);
  await expect(world.app.getByRole("listitem").first()).toBeVisible();
  await world.openReports("");
  await expect(world.app.getByText("The Hourbook licence has expired")).toBeVisible();
  await expect(world.app.getByRole("button", { name: "Export" })).toBeVisible();
  await expect(world.app.getByRole("button", { name: "Save as…" })).toHaveCount(0);
  await world.open(world.site.admin);
  await expect(world.app.getByText("The Hourbook licence has expired")).toBeVisible();
  await world.app.getByRole("tab", { name: "Tags" }).click();
  await expect(world.app.getByRole("tabpanel").getByRole("listitem").first()).toBeVisible();
  await expect(world.app.getByRole("button", { name: /Rename|Archive|Add/ })).toHaveCount(0);
});
