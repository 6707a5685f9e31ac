import { expect, secondTab, test } from "./world";

const timeSpent = "Time spent";

test("one field and Enter log time in Jira, and the form is ready for the next", async ({ world }) => {
  const issue = await world.issue(8 * 3600);
  await world.openIssue(issue.key);
  const { app } = world;
  await expect(app.getByText("No time logged yet")).toBeVisible();
  const field = app.getByLabel(timeSpent);
  await app.getByLabel("Start").fill("07:15");
  await field.fill("1h 30m");
  await expect(app.getByText("= 1 hour, 30 minutes")).toBeVisible();
  await field.press("Enter");
  await expect(app.getByRole("listitem", { name: /1h 30m/ })).toBeVisible();
  await expect(app.getByText("1 hour, 30 minutes logged in Jira.")).toBeAttached();
  await expect(field).toHaveValue("");
  await expect(field).toBeFocused();
  // The next one begins where this one ended.
  await expect(app.getByLabel("Start")).toHaveValue("08:45");
  await expect(app.getByText("19% of the estimate")).toBeVisible();
  expect(await world.inJira(issue.id)).toMatchObject([{ timeSpentSeconds: 5400 }]);
});

test("a duration that makes no sense is told in words, and nothing is sent", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app } = world;
  const field = app.getByLabel(timeSpent);
  await field.fill("1:75");
  await expect(app.getByText("75 is more than 59 minutes.")).toBeVisible();
  await field.press("Enter");
  await expect(field).toBeFocused();
  await expect(field).toHaveAttribute("aria-invalid", "true");
  // Very long ones are asked for once more.
  await field.fill("30h");
  await field.press("Enter");
  await expect(app.getByText("Is it really 30 hours?")).toBeVisible();
  expect(await world.inJira(issue.id)).toEqual([]);
  await app.getByRole("button", { name: "Yes, log it" }).click();
  await expect(app.getByRole("listitem", { name: /30h/ })).toBeVisible();
});

test("comment, tags that are made on the way, day, start and estimate arrive in Jira", async ({ world }) => {
  const issue = await world.issue(8 * 3600);
  await world.openIssue(issue.key);
  const { app } = world;
  await app.getByLabel(timeSpent).fill("45m");
  await app.getByLabel("Date").fill("2026-03-02");
  await app.getByLabel("Start").fill("14:15");
  await app.getByLabel("Comment").fill("two\nlines");
  const name = `tag ${issue.key}`;
  await app.getByLabel("Tags", { exact: true }).fill(name);
  await app.getByRole("button", { name: "Create" }).click();
  await expect(app.getByRole("button", { name: `Remove ${name}` })).toBeVisible();
  await app.getByText("Remaining estimate").click();
  await app.getByRole("combobox", { name: "Remaining estimate" }).selectOption("new");
  await app.getByLabel("New remaining estimate").fill("1d");
  await app.getByLabel("Comment").press("Control+Enter");
  await expect(app.getByRole("listitem", { name: /45m/ })).toContainText("two");
  // A row is there while it is saved; the form is cleared once Jira has it.
  await expect(app.getByLabel(timeSpent)).toHaveValue("");
  const [worklog] = await world.inJira(issue.id);
  expect(worklog?.started).toBe("2026-03-02T13:15:00.000+0000");
  expect(JSON.stringify(worklog)).toContain(name);
  await expect(app.locator(".summary")).toContainText("Left8h");
});

test("what Jira refuses stays in the form, with the reason", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app } = world;
  await world.jira({
    do: "fail",
    method: "POST",
    path: `/issue/${issue.id}/worklog`,
    times: 1,
    how: { status: 400 },
  });
  await app.getByLabel(timeSpent).fill("20m");
  await app.getByLabel("Comment").fill("kept");
  await app.getByRole("button", { name: "Log time" }).click();
  await expect(app.getByRole("alert")).toContainText("Not logged");
  await expect(app.getByRole("alert")).toContainText("simulated");
  await expect(app.getByLabel(timeSpent)).toHaveValue("20m");
  await expect(app.getByLabel("Comment")).toHaveValue("kept");
  await app.getByRole("button", { name: "Log time" }).click();
  await expect(app.getByRole("listitem", { name: /20m/ })).toBeVisible();
  await expect(app.getByLabel(timeSpent)).toHaveValue("");
  await expect(app.getByRole("alert")).toHaveCount(0);
  expect(await world.inJira(issue.id)).toHaveLength(1);
});

test("an answer that is lost does not double an entry, not even over a reload", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app, page } = world;
  // The page's own call is lost on its way back, after Jira has written.
  let lost = 0;
  await page.route("**/api/v1/issues/*/worklogs", async (route) => {
    if (route.request().method() !== "POST" || lost > 0) return route.continue();
    lost += 1;
    await route.fetch();
    await route.abort();
  });
  await app.getByLabel(timeSpent).fill("25m");
  await app.getByLabel(timeSpent).press("Enter");
  await expect(app.getByText("Nobody knows yet whether this was logged")).toBeVisible();
  expect(await world.inJira(issue.id)).toHaveLength(1);
  await page.reload();
  await expect(app.getByText("Nobody knows yet whether this was logged")).toBeVisible();
  await expect(app.getByLabel(timeSpent)).toHaveValue("25m");
  await expect(app.getByLabel(timeSpent)).toBeDisabled();
  await app.getByRole("button", { name: "Check again" }).click();
  await expect(app.getByLabel(timeSpent)).toHaveValue("");
  await expect(app.getByRole("listitem", { name: /25m/ })).toHaveCount(1);
  expect(await world.inJira(issue.id)).toHaveLength(1);
});

test("a reload brings back what was typed, for this person on this issue", async ({ world }) => {
  const [issue, other] = [await world.issue(), await world.issue()];
  await world.openIssue(issue.key);
  const { app, page } = world;
  await app.getByLabel(timeSpent).fill("3h");
  await app.getByLabel("Comment").fill("half a thought");
  await page.reload();
  await expect(app.getByLabel(timeSpent)).toHaveValue("3h");
  await expect(app.getByLabel("Comment")).toHaveValue("half a thought");
  await world.openIssue(other.key);
  await expect(app.getByLabel(timeSpent)).toHaveValue("");
  await world.openIssue(issue.key, { as: world.person(1) });
  await expect(app.getByLabel(timeSpent)).toHaveValue("");
});

test("drafts of more than seven days are gone", async ({ world }) => {
  const issue = await world.issue();
  await world.page.clock.install({ time: Date.now() - 8 * 86_400_000 });
  await world.openIssue(issue.key);
  await world.app.getByLabel(timeSpent).fill("3h");
  await world.page.clock.setSystemTime(Date.now());
  await world.page.reload();
  await world.app.getByRole("heading", { name: "Worklogs" }).waitFor();
  await expect(world.app.getByLabel(timeSpent)).toHaveValue("");
});

test("two tabs hold one form and one list", async ({ world, context }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const other = await secondTab(context, world.site);
  await other.openIssue(issue.key);
  await world.app.getByLabel(timeSpent).fill("50m");
  await expect(other.app.getByLabel(timeSpent)).toHaveValue("50m");
  await world.app.getByLabel(timeSpent).press("Enter");
  await expect(world.app.getByRole("listitem", { name: /50m/ })).toBeVisible();
  await expect(other.app.getByRole("listitem", { name: /50m/ })).toBeVisible();
  await expect(other.app.getByLabel(timeSpent)).toHaveValue("");
  expect(await world.inJira(issue.id)).toHaveLength(1);
});

test("an edit changes what was changed, and leaves a rich comment as it is", async ({ world }) => {
  const issue = await world.issue();
  const comment = {
    type: "doc",
    version: 1,
    content: [
      {
        type: "paragraph",
        content: [
          { type: "text", text: "bold ", marks: [{ type: "strong" }] },
          { type: "text", text: "link", marks: [{ type: "link", attrs: { href: "https://example.com/" } }] },
          { type: "text", text: "<img src=x onerror=alert(1)>" },
          { type: "text", text: "trap", marks: [{ type: "link", attrs: { href: "javascript:alert(1)" } }] },
        ],
      },
    ],
  };
  await world.log(issue.id, 1800, { comment });
  const row = world.app.getByRole("listitem", { name: /30m/ });
  // The event of it may carry the text only; the rest is read a moment later.
  await expect(async () => {
    await world.openIssue(issue.key);
    await expect(row.locator("strong", { hasText: "bold" })).toBeVisible({ timeout: 1000 });
  }).toPass();
  await expect(row.getByRole("link")).toHaveCount(1);
  await expect(row).toContainText("<img src=x onerror=alert(1)>");
  await row.getByRole("button", { name: "Edit" }).click();
  const form = world.app.locator("li form");
  await expect(form.getByText("This comment has formatting")).toBeVisible();
  await form.getByLabel(timeSpent).fill("40m");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(world.app.getByRole("listitem", { name: /40m/ })).toBeVisible();
  const [saved] = await world.inJira(issue.id);
  expect(saved).toMatchObject({ timeSpentSeconds: 2400, comment });
});

test("who was slower sees Jira's newer version, and chooses", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app } = world;
  for (const keeps of ["theirs", "mine"]) {
    await app.getByLabel(timeSpent).fill("1h");
    await app.getByLabel(timeSpent).press("Enter");
    await app.getByRole("listitem", { name: /, 1h,/ }).getByRole("button", { name: "Edit" }).click();
    const form = app.locator("li form");
    await form.getByLabel(timeSpent).fill("2h");
    const [worklog] = (await world.inJira(issue.id)).filter((one) => one.timeSpentSeconds === 3600);
    await world.jira({ do: "change", id: Number(worklog?.id), seconds: 5 * 3600 });
    await form.getByRole("button", { name: "Save" }).click();
    await expect(form.getByText("Somebody changed this worklog while you were editing")).toBeVisible();
    await expect(form.getByText("5h,")).toBeVisible();
    await form
      .getByRole("button", { name: keeps === "mine" ? "Save mine instead" : "Keep Jira’s version" })
      .click();
    await expect(app.getByRole("listitem", { name: keeps === "mine" ? /, 2h,/ : /, 5h,/ })).toHaveCount(1);
  }
  const times = (await world.inJira(issue.id)).map((worklog) => worklog.timeSpentSeconds / 3600);
  expect(times.sort()).toEqual([2, 5]);
});

test("a deletion can be undone for six seconds, and leaves at once when the page closes", async ({
  world,
}) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app, page } = world;
  for (const duration of ["10m", "15m"]) {
    await app.getByLabel(timeSpent).fill(duration);
    await app.getByLabel(timeSpent).press("Enter");
    await expect(app.getByRole("listitem", { name: new RegExp(duration) })).toBeVisible();
  }
  const row = (name: RegExp) => app.getByRole("listitem", { name });
  await row(/10m/).getByRole("button", { name: "Delete" }).click();
  await expect(app.getByRole("button", { name: "Undo" })).toBeFocused();
  await app.getByRole("button", { name: "Undo" }).click();
  await expect(row(/10m/)).toBeVisible();
  expect(await world.inJira(issue.id)).toHaveLength(2);
  await row(/10m/).getByRole("button", { name: "Delete" }).click();
  await expect(async () => expect(await world.inJira(issue.id)).toHaveLength(1)).toPass({ timeout: 9000 });
  await expect(app.getByText("10m deleted.")).toHaveCount(0);
  await row(/15m/).getByRole("button", { name: "Delete" }).click();
  await expect(app.getByText("15m deleted.")).toBeVisible();
  await page.goto(world.site.url);
  await expect(async () => expect(await world.inJira(issue.id)).toHaveLength(0)).toPass({ timeout: 4000 });
});

test("work that is saved late does not take the focus from what is done meanwhile", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app } = world;
  const field = app.getByLabel(timeSpent);
  const row = (name: RegExp) => app.getByRole("listitem", { name });
  await field.fill("10m");
  await field.press("Enter");
  await expect(row(/10m/).getByRole("button", { name: "Delete" })).toBeVisible();
  await expect(field).toBeFocused();
  const path = `/issue/${issue.id}/worklog`;
  await world.jira({ do: "fail", method: "POST", path, times: 1, how: { slow: 1500 } });
  await field.fill("15m");
  await field.press("Enter");
  await row(/10m/).getByRole("button", { name: "Delete" }).click();
  await expect(row(/15m/).getByRole("button", { name: "Delete" })).toBeVisible();
  await expect(field).toHaveValue("");
  await expect(app.getByRole("button", { name: "Undo" })).toBeFocused();
});

test("a deletion that Jira refuses brings the row back, with the reason", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app } = world;
  await app.getByLabel(timeSpent).fill("12m");
  await app.getByLabel(timeSpent).press("Enter");
  await world.jira({
    do: "fail",
    method: "DELETE",
    path: `/issue/${issue.id}/worklog`,
    times: 1,
    how: { status: 400 },
  });
  await app.getByRole("listitem", { name: /12m/ }).getByRole("button", { name: "Delete" }).click();
  await expect(app.getByText("Not deleted:")).toBeVisible({ timeout: 10_000 });
  await expect(app.getByText("Refused")).toBeVisible();
  expect(await world.inJira(issue.id)).toHaveLength(1);
});

test("who may not log time is told why, instead of a dead button", async ({ world }) => {
  const issue = await world.issue();
  const person = world.person(3);
  await world.jira({ do: "mayWork", account: person, may: false });
  await world.openIssue(issue.key, { as: person });
  await expect(world.app.getByText("You may not log time on this issue")).toBeVisible();
  await expect(world.app.getByRole("button", { name: "Log time" })).toHaveCount(0);
});

test("the panel asks our server once", async ({ world }) => {
  const calls: string[] = [];
  world.page.on("request", (request) => {
    if (request.url().includes("/api/v1/"))
      calls.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  await world.openIssue(world.site.issue.key);
  await expect(world.app.locator(".summary")).toBeVisible();
  expect(calls).toEqual([`GET /api/v1/issues/${world.site.issue.id}/panel`]);
});

test("everything in the panel works by keyboard alone", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key);
  const { app, page } = world;
  await app.getByLabel(timeSpent).focus();
  await page.keyboard.type("35m");
  await page.keyboard.press("Enter");
  const row = app.getByRole("listitem", { name: /35m/ });
  await expect(row).toBeVisible();
  await row.getByRole("button", { name: "Edit" }).focus();
  await page.keyboard.press("Enter");
  await expect(app.locator("li form").getByLabel(timeSpent)).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(row.getByRole("button", { name: "Edit" })).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await expect(row.getByRole("button", { name: "Delete" })).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(row.getByRole("button", { name: "Delete" })).toBeVisible();
  expect(await world.inJira(issue.id)).toHaveLength(1);
});
