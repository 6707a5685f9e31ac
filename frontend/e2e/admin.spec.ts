import { readFileSync } from "node:fs";
import { expect, links, test } from "./world";

test("only Jira admins get in", async ({ world }) => {
  await world.look({ as: world.person(1) });
  await world.page.goto(world.site.admin);
  await expect(world.app.getByRole("heading", { name: "Hourbook cannot show this page" })).toBeVisible();
  await expect(world.app.getByText("Ask a Jira admin of your site.")).toBeVisible();
});

test("an admin sees where the sync stands, compares with Jira, and starts one", async ({ world }) => {
  await world.open(links().sites.bolt.admin);
  const { app } = world;
  await expect(app.locator(".lozenge", { hasText: "Up to date" })).toBeVisible();
  await app.getByRole("button", { name: "Compare with Jira…" }).click();
  await expect(app.getByRole("dialog")).toContainText("calls to Jira");
  await app.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await expect(app.getByText(/: the same as in Hourbook\./)).toBeVisible({ timeout: 20_000 });
  await expect(app.getByRole("cell", { name: "Comparison" })).toBeVisible();
  await app.getByRole("button", { name: "Sync what changed" }).click();
  await expect(app.getByRole("cell", { name: "Sync of what changed" }).first()).toBeVisible({
    timeout: 20_000,
  });
  await app.getByRole("button", { name: "Full sync…" }).click();
  await expect(app.getByRole("dialog")).toContainText("at worst");
  await world.page.keyboard.press("Escape");
  await expect(app.getByRole("button", { name: "Full sync…" })).toBeFocused();
});

test("settings are saved and hold", async ({ world }) => {
  await world.open(`${links().sites.cosy.admin}#!settings`);
  const { app } = world;
  await app.getByRole("radio", { name: "Everybody", exact: true }).check();
  await app.getByLabel("Weeks of reports begin on").selectOption("Saturday");
  await app.getByLabel("Days of reports by the clocks of").selectOption("Asia/Tokyo");
  await app.getByRole("button", { name: "Save" }).click();
  await expect(app.getByText("The settings are saved.")).toBeAttached();
  await world.page.reload();
  await expect(app.getByRole("radio", { name: "Everybody", exact: true })).toBeChecked();
  await world.open(links().sites.cosy.reports, { as: world.person(1) });
  await expect(app.getByText("Days by the clocks of Asia/Tokyo.")).toBeVisible();
  // The week that is shown begins on the day that was chosen.
  await app.getByRole("button", { name: "Days: This week" }).click();
  await expect(app.locator(".calendar th").first()).toHaveAttribute("abbr", "Saturday");
});

test("tags are added, renamed, archived and deleted", async ({ world }) => {
  await world.open(`${world.site.admin}#!tags`);
  const { app } = world;
  const name = `tag ${Date.now()}`;
  await app.getByLabel("Name of a new tag").fill(name);
  await app.getByRole("button", { name: "Add tag" }).click();
  const row = (name: string) => app.getByRole("listitem").filter({ hasText: name });
  await expect(row(name)).toBeVisible();
  // Twice is refused with what is wrong.
  await app.getByLabel("Name of a new tag").fill(name);
  await app.getByRole("button", { name: "Add tag" }).click();
  await expect(app.getByRole("alert")).toBeVisible();
  await app.getByRole("button", { name: `Rename ${name}` }).click();
  await app.getByLabel(`Rename ${name}`).fill(`${name} b`);
  await world.page.keyboard.press("Enter");
  await expect(row(`${name} b`)).toBeVisible();
  await app.getByRole("button", { name: `Archive ${name} b` }).click();
  await expect(row(`${name} b`)).toContainText("Archived");
  await app.getByRole("button", { name: `Delete ${name} b` }).click();
  await expect(row(`${name} b`)).toHaveCount(0);
});

test("privacy names every column, the proof of deletion, and hands out everything", async ({ world }) => {
  await world.open(`${world.site.admin}#!privacy`);
  const { app, page } = world;
  await expect(app.getByRole("cell", { name: "worklogs.comment" })).toBeVisible();
  await expect(app.getByText(/^[0-9a-f]{64}$/)).toBeVisible();
  await expect(app.getByText(`${links().app}/receipts/`)).toBeVisible();
  const download = page.waitForEvent("download");
  await app.getByRole("button", { name: "Export everything" }).click();
  const lines = readFileSync(await (await download).path(), "utf8")
    .trim()
    .split("\n");
  const last = JSON.parse(lines.at(-1) ?? "{}") as { kind: string; worklogs: number; withheld: number };
  expect(last.kind).toBe("end");
  expect(last.worklogs).toBeGreaterThan(3000);
  await app.getByRole("tab", { name: "Audit log" }).click();
  await expect(app.getByRole("cell", { name: "Exported everything" }).first()).toBeVisible();
});

test("tabs go by arrows", async ({ world }) => {
  await world.open(world.site.admin);
  const { app, page } = world;
  await app.getByRole("tab", { name: "Sync" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(app.getByRole("tab", { name: "Settings" })).toBeFocused();
  await expect(app.getByRole("tab", { name: "Settings" })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("End");
  await expect(app.getByRole("tab", { name: "Audit log" })).toHaveAttribute("aria-selected", "true");
});
