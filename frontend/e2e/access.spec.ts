import AxeBuilder from "@axe-core/playwright";
import { STATES } from "./states";
import { type World, expect, test } from "./world";

/** What axe finds in the app's frame; Jira around it is not ours. */
async function findings(world: World): Promise<string[]> {
  const found = await new AxeBuilder({ page: world.page }).include(["iframe.app", "html"]).analyze();
  return found.violations.map(
    ({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0]?.html.slice(0, 160) ?? ""}`,
  );
}

for (const theme of ["light", "dark"] as const) {
  for (const state of STATES) {
    test(`axe finds nothing: ${state.name}, ${theme}`, async ({ world }) => {
      await world.look({ theme });
      const look = world.look.bind(world);
      world.look = (other) => look({ ...other, theme });
      await state.open(world);
      await expect(world.app.locator("html")).toHaveAttribute("data-color-mode", theme);
      expect(await findings(world)).toEqual([]);
    });
  }
}

for (const state of STATES) {
  test(`nothing is cut off at 320 pixels: ${state.name}`, async ({ world }) => {
    await world.page.setViewportSize({ width: 320, height: 640 });
    await state.open(world);
    const wide = await world.app.locator("body").evaluate((body) => {
      const room = document.documentElement.clientWidth;
      const scrolls = (element: Element): boolean =>
        element !== body &&
        (["auto", "scroll"].includes(getComputedStyle(element).overflowX) ||
          (element.parentElement !== null && scrolls(element.parentElement)));
      return (
        [...body.querySelectorAll("*")]
          .filter(
            (element) =>
              element.getBoundingClientRect().right > room + 1 &&
              !element.closest(".heard, dialog:not([open])"),
          )
          // Tables scroll in a room of their own.
          .filter((element) => !scrolls(element))
          .map((element) => `${element.tagName} ${element.className}`)
      );
    });
    expect(wide).toEqual([]);
  });
}

test("at 200 % everything is still there", async ({ world }) => {
  // Zoom halves the room that a page has.
  await world.page.setViewportSize({ width: 640, height: 450 });
  await world.openReports("kind=pivot&range=last180&rows=project,user&columns=month&measures=seconds");
  await world.app.getByRole("button", { name: "Export" }).click();
  await expect(world.app.getByRole("menuitem", { name: /^CSV/ })).toBeInViewport();
  await world.page.keyboard.press("Escape");
  await world.app.locator("tbody button.value").first().click();
  await expect(world.app.getByRole("dialog")).toBeInViewport();
});

test("nothing moves for whoever asks for less motion", async ({ world }) => {
  await world.page.emulateMedia({ reducedMotion: "reduce" });
  await world.page.route("**/panel", () => undefined);
  await world.look({});
  await world.page.goto(`${world.site.url}/browse/${world.site.issue.key}`);
  const skeleton = world.app.locator(".skeleton").first();
  await skeleton.waitFor();
  expect(await skeleton.evaluate((element) => getComputedStyle(element).animationDuration)).toBe("0s");
  await world.page.unrouteAll({ behavior: "ignoreErrors" });
});

test("the page follows Jira's theme while it is open", async ({ world }) => {
  await world.openIssue(world.site.issue.key, { theme: "light" });
  const colour = () => world.app.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
  const light = await colour();
  await world.page.evaluate(() => (document.documentElement.dataset["colorMode"] = "dark"));
  await expect.poll(colour).not.toBe(light);
});

test("German: texts, plurals, dates, numbers, and the first day of the week", async ({ world }) => {
  const issue = await world.issue();
  await world.openIssue(issue.key, { locale: "de_DE" });
  const { app } = world;
  await expect(app.locator("html")).toHaveAttribute("lang", "de-DE");
  await app.getByLabel("Arbeitszeit").fill("1,5 Std");
  await expect(app.getByText("= 1 Stunde, 30 Minuten")).toBeVisible();
  await app.getByLabel("Arbeitszeit").press("Enter");
  await expect(app.getByRole("listitem", { name: /1h 30m, Heute, \d\d:\d\d/ })).toBeVisible();
  await world.openReports("kind=summary&range=2026-03-01..2026-03-31&rows=project&measures=seconds", {
    locale: "de_DE",
  });
  await expect(app.getByRole("button", { name: "Zeitraum: 01.–31.03.2026" })).toBeVisible();
  await expect(app.getByText(/\d Einträge gezählt/)).toBeVisible();
  await world.openReports("", { locale: "de_DE" });
  await app.getByRole("button", { name: "Zeitraum: Diese Woche" }).click();
  await expect(app.locator(".calendar th").first()).toHaveAttribute("abbr", "Montag");
});
