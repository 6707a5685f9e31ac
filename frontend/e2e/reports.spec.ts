import { readFileSync } from "node:fs";
import { expect, test } from "./world";

const pivot = "kind=pivot&range=last180&rows=project,user&columns=month&measures=seconds,worklogs";

test("the first look is this week, and the address holds what is shown", async ({ world }) => {
  await world.openReports("");
  const { app, page } = world;
  await expect(app.getByRole("button", { name: "Days: This week" })).toBeVisible();
  await expect(app.getByRole("button", { name: "Timesheet" })).toHaveAttribute("aria-pressed", "true");
  await app.getByRole("button", { name: "Days: This week" }).click();
  await app.getByRole("button", { name: "Last quarter", exact: true }).click();
  await app.getByRole("button", { name: "Pivot" }).click();
  await expect(app.getByRole("treegrid")).toBeVisible();
  await expect.poll(() => decodeURIComponent(page.url())).toContain("kind=pivot&range=lastQuarter");
  const total = await app.locator("tfoot .sum").textContent();
  await page.reload();
  await expect(app.getByRole("button", { name: "Days: Last quarter" })).toBeVisible();
  await expect(app.locator("tfoot .sum")).toHaveText(total ?? "");
});

test("rows and columns are chosen and reordered, by mouse and by keyboard", async ({ world }) => {
  await world.openReports(pivot);
  const { app, page } = world;
  const rows = app.getByRole("list", { name: "Rows" }).getByRole("listitem");
  await expect(rows).toHaveText(["Project", "Person"]);
  await app.getByRole("button", { name: "Move Person outwards" }).focus();
  await page.keyboard.press("Enter");
  await expect(rows).toHaveText(["Person", "Project"]);
  await expect(app.locator("thead .name")).toHaveText("Person › Project");
  await rows.nth(1).dragTo(rows.nth(0));
  await expect(rows).toHaveText(["Project", "Person"]);
  await app.getByRole("button", { name: "Add row" }).click();
  await page.keyboard.press("ArrowDown");
  await app.getByRole("menuitem", { name: "Type" }).click();
  await expect(rows).toHaveText(["Project", "Person", "Type"]);
  await app.getByRole("button", { name: "Remove Person" }).click();
  await expect(rows).toHaveText(["Project", "Type"]);
  await app.getByRole("button", { name: "Columns: Month" }).click();
  await app.getByRole("menuitemradio", { name: "None" }).click();
  await expect(app.getByRole("button", { name: "Summary" })).toHaveAttribute("aria-pressed", "true");
});

test("a range of days is picked in a calendar, by mouse and by keyboard", async ({ world }) => {
  await world.openReports("kind=summary&range=2026-03-01..2026-03-31&rows=project&measures=seconds");
  const { app, page } = world;
  await app.getByRole("button", { name: /^Days: / }).click();
  await expect(app.getByText("March 2026")).toBeVisible();
  await app.getByRole("button", { name: /March 10/ }).click();
  await app.getByRole("button", { name: /March 20/ }).click();
  await expect(app.getByRole("button", { name: "Days: Mar 10 – 20, 2026" })).toBeVisible();
  await app.getByRole("button", { name: "The period after" }).click();
  await expect(app.getByRole("button", { name: "Days: Mar 21 – 31, 2026" })).toBeVisible();
  await app.getByRole("button", { name: /^Days: / }).click();
  const begin = app.getByRole("button", { name: /March 21/ });
  await begin.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  // The library goes on to the day behind the first one by itself.
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await expect(app.getByRole("button", { name: "Days: Mar 28 – 30, 2026" })).toBeVisible();
});

test("filters are searched and shown as chips that say what they do", async ({ world }) => {
  // Days that are over: other tests log work today, on the same site.
  await world.openReports(pivot.replace("last180", "lastQuarter"));
  const { app, page } = world;
  const before = await app.locator("tfoot .sum").first().textContent();
  await app.getByRole("button", { name: "Add filter" }).click();
  await app.getByRole("menuitem", { name: "Person" }).click();
  const search = app.getByRole("combobox", { name: "Person" });
  await expect(search).toBeFocused();
  await expect(app.getByRole("option").first()).toBeVisible();
  // As people type: the library's field may lose one of two letters that come within a frame.
  await page.keyboard.type("Ana", { delay: 80 });
  await expect(app.getByRole("option").filter({ hasNotText: "Ana" })).toHaveCount(0);
  await expect(app.getByRole("option").first()).toBeVisible();
  await page.keyboard.press("Enter");
  await app.getByRole("button", { name: "Done" }).click();
  const chip = app.getByRole("button", { name: /^Person: Ana/ });
  await expect(chip).toBeVisible();
  await expect(app.locator("tfoot .sum").first()).not.toHaveText(before ?? "");
  await chip.click();
  await app.getByRole("radio", { name: "All but these" }).check();
  await expect(app.getByRole("combobox", { name: "Person" })).toBeFocused();
  await page.keyboard.press("Escape");
  await page.reload();
  await expect(app.getByRole("button", { name: /^Person: Ana/ })).toBeVisible();
  await app.getByRole("button", { name: "Clear filters" }).click();
  await expect(app.locator("tfoot .sum").first()).toHaveText(before ?? "");
});

test("JQL that Jira does not take is told in Jira's words", async ({ world }) => {
  await world.openReports(pivot);
  const { app } = world;
  await app.getByRole("button", { name: "Add filter" }).click();
  await app.getByRole("menuitem", { name: "JQL" }).click();
  await app.getByLabel("Only work items that JQL finds").fill("colour = red");
  await app.getByRole("button", { name: "Apply" }).click();
  await expect(app.getByRole("alert")).toContainText("Error in the JQL Query");
  await app.getByRole("button", { name: /^JQL: / }).click();
  await app.getByLabel("Only work items that JQL finds").fill("issuetype = Bug");
  await app.getByRole("button", { name: "Apply" }).click();
  await expect(app.getByRole("treegrid")).toBeVisible();
});

test("the table sorts, folds, and shows the worklogs behind each number", async ({ world }) => {
  await world.openReports(pivot);
  const { app } = world;
  const first = app.locator("tbody tr[aria-level='1']").first();
  const name = (await first.locator("th").textContent()) ?? "";
  await app.getByRole("button", { name: "Expand all" }).click();
  const children = await app.locator("tbody tr[aria-level='2']").count();
  expect(children).toBeGreaterThan(0);
  await app.getByRole("button", { name: `Collapse ${name}` }).click();
  await expect(first).toHaveAttribute("aria-expanded", "false");
  const sorted = world.page.waitForResponse("**/api/v1/reports/query");
  await app.getByRole("columnheader", { name: "Time spent" }).getByRole("button").click();
  await expect(app.getByRole("columnheader", { name: "Time spent" })).toHaveAttribute(
    "aria-sort",
    "descending",
  );
  // Until the answer is here, the rows are those of before.
  await sorted;
  await expect(app.locator(".answer")).toHaveAttribute("aria-busy", "false");
  const largest = first.locator("td.sum").first();
  const sum = await largest.textContent();
  await largest.getByRole("button").click();
  const dialog = app.getByRole("dialog");
  await expect(dialog.getByRole("status")).toContainText(`${sum ?? ""},`);
  await expect(dialog.getByRole("row").nth(1)).toBeVisible();
  await world.page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(largest.getByRole("button")).toBeFocused();
});

test("the table works by keyboard alone", async ({ world }) => {
  await world.openReports(pivot);
  const { app, page } = world;
  await app.getByRole("button", { name: "Expand all" }).click();
  const rows = app.locator("tbody tr[aria-level]");
  const first = rows.first().getByRole("rowheader");
  await first.focus();
  await page.keyboard.press("ArrowLeft");
  await expect(rows.first()).toHaveAttribute("aria-expanded", "false");
  await page.keyboard.press("ArrowRight");
  await expect(rows.first()).toHaveAttribute("aria-expanded", "true");
  await page.keyboard.press("ArrowDown");
  await expect(rows.nth(1).getByRole("rowheader")).toBeFocused();
  await page.keyboard.press("End");
  await expect(rows.nth(1).locator("td.sum").last().getByRole("button")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(app.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(rows.nth(1).locator("td.sum").last().getByRole("button")).toBeFocused();
  // To the end of the table, whose rows do not exist yet.
  await page.keyboard.press("Control+End");
  const count = Number(await app.getByRole("treegrid").getAttribute("aria-rowcount"));
  await expect(app.locator(`tr[aria-rowindex="${count - 1}"] :focus`)).toBeVisible();
  // One stop for the whole table.
  await page.keyboard.press("Tab");
  await expect(app.getByRole("treegrid").locator(":focus")).toHaveCount(0);
});

test("a chart shows the same numbers, as a picture and as a table", async ({ world }) => {
  await world.openReports(pivot);
  const { app } = world;
  const total = await app.locator("tfoot .sum").first().textContent();
  await app.getByRole("button", { name: "Chart" }).click();
  const chart = app.getByRole("img", { name: /Time spent, .* in all\./ });
  await expect(chart).toBeVisible();
  expect(await chart.locator("rect").count()).toBeGreaterThan(10);
  await app.getByText("The chart’s numbers as a table").click();
  const hours = (text: string | null) => {
    const [, h = "0", m = "0"] = /(?:([\d,]+)h)? ?(?:(\d+)m)?/.exec(text ?? "") ?? [];
    return Number(h.replaceAll(",", "")) * 60 + Number(m);
  };
  const sums = await app.locator(".chart tbody tr td:last-child").allTextContents();
  expect(sums.map(hours).reduce((sum, one) => sum + one, 0)).toBe(hours(total));
  await app.getByRole("button", { name: "Summary" }).click();
  await app.getByRole("button", { name: "Chart" }).click();
  await expect(app.locator(".shares li").first()).toContainText("%");
});

test("details list the worklogs, overlaps those that overlap", async ({ world }) => {
  await world.openReports("kind=details&range=last90&measures=seconds");
  const { app } = world;
  await expect(app.getByRole("columnheader", { name: "Comment" })).toBeVisible();
  expect(await app.locator("table.worklogs tbody tr[aria-rowindex]").count()).toBeGreaterThan(5);
  await app.getByRole("button", { name: "Overlaps" }).click();
  await expect(app.getByRole("columnheader", { name: "Overlap" })).toBeVisible();
});

test("a report is saved, changed, shared, and deleted", async ({ world }) => {
  await world.openReports(pivot);
  const { app } = world;
  const title = `Hours ${Date.now()}`;
  await app.getByRole("button", { name: "Save as…" }).click();
  await expect(app.getByLabel("Title")).toBeFocused();
  await app.getByLabel("Title").fill(title);
  await app.getByLabel("Everybody on this site may use it").check();
  await app.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(app.getByRole("button", { name: `Saved reports, now ${title}` })).toBeVisible();
  await app.getByRole("checkbox", { name: "People" }).check();
  await expect(app.getByText("Changed")).toBeVisible();
  await app.getByRole("button", { name: "Save", exact: true }).click();
  await expect(app.getByText("Changed")).toHaveCount(0);
  // Somebody else opens it, and sees their own.
  await world.openReports("", { as: world.person(1) });
  await app.getByRole("button", { name: /^Saved reports/ }).click();
  await app.getByRole("menuitemradio", { name: title }).click();
  await expect(app.getByText("These are your own worklogs only.")).toBeVisible();
  await expect(app.getByRole("checkbox", { name: "People" })).toBeChecked();
  await app.getByRole("button", { name: "More" }).click();
  await expect(app.getByRole("menuitem", { name: "Delete" })).toHaveCount(0);
  await world.openReports("", { as: world.person(0) });
  await app.getByRole("button", { name: /^Saved reports/ }).click();
  await app.getByRole("menuitemradio", { name: title }).click();
  await app.getByRole("button", { name: "More" }).click();
  await app.getByRole("menuitem", { name: "Delete" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(app.getByText("The report is deleted.")).toBeAttached();
  await expect(app.getByRole("button", { name: "Saved reports, now Report" })).toBeVisible();
});

test("an export is downloaded, and says what the screen says", async ({ world }) => {
  await world.openReports("kind=summary&range=last180&rows=project&measures=seconds");
  const { app, page } = world;
  const names = await app.locator("tbody tr[aria-level='1'] th").allTextContents();
  await app.getByRole("button", { name: "Export" }).click();
  const download = page.waitForEvent("download");
  await app.getByRole("menuitem", { name: /^CSV/ }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/^hourbook-summary-\d{4}-\d\d-\d\d-.*\.csv$/);
  const text = readFileSync(await file.path(), "utf8");
  expect(text.startsWith("\ufeff")).toBe(true);
  for (const name of names) expect(text).toContain(name);
});

test("what takes long is shown with its progress", async ({ world }) => {
  await world.page.route("**/api/v1/reports/query", async (route) => {
    await route.fulfill({
      status: 202,
      json: { id: "p", state: "running", done: 3, cost: { calls: 50, pointsCertain: 50, pointsWorst: 90 } },
    });
  });
  let polls = 0;
  await world.page.route("**/api/v1/reports/preparations/p", async (route) => {
    polls += 1;
    const state = polls < 3 ? "running" : "failed";
    await route.fulfill({
      json: {
        id: "p",
        state,
        done: 10 * polls,
        error: "Jira does not answer.",
        cost: { calls: 50, pointsCertain: 50, pointsWorst: 90 },
      },
    });
  });
  await world.open(world.site.reports);
  const { app } = world;
  await expect(app.getByRole("progressbar", { name: "Finding out who may see what" })).toBeVisible();
  await expect(app.getByText("20 of 50 calls to Jira answered.")).toBeVisible();
  await expect(app.getByRole("alert")).toContainText("Jira does not answer.");
  await world.page.unroute("**/api/v1/reports/query");
  await app.getByRole("button", { name: "Try again" }).click();
  await expect(app.locator(".stamp")).toContainText("In step with Jira");
});

test("days without work say so, and what to do", async ({ world }) => {
  await world.openReports("kind=summary&range=2001-01-01..2001-01-31&rows=project&measures=seconds");
  await expect(world.app.getByRole("heading", { name: "No time was logged" })).toBeVisible();
  await world.app.getByRole("button", { name: "Show the last 90 days" }).click();
  await expect(world.app.getByRole("treegrid")).toBeVisible();
});
