// Figures of the pages: what they weigh, when they show something and can be used, how the big table scrolls, what
// Lighthouse says of the panel. Written into their section of BENCHMARKS.md.

import { execFile, execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "@playwright/test";
import { CHROMIUM } from "../../playwright.config";
import { DIST, filesOf, gzipped } from "../weight";
import { type World, links, test } from "../world";

const BENCHMARKS = "../BENCHMARKS.md";
const HEADING = "## Pages";
const RUNS = 9;

const lines: string[] = [];

function median(values: number[]): number {
  return [...values].sort((one, other) => one - other)[Math.trunc(values.length / 2)] ?? NaN;
}

function percentile(values: number[], part: number): number {
  return [...values].sort((one, other) => one - other)[Math.trunc((values.length - 1) * part)] ?? NaN;
}

const kb = (bytes: number) => (bytes / 1000).toFixed(1);

test("what pages weigh", () => {
  lines.push(
    "| page | JavaScript, gzipped | on Forge, its bridge included | style sheets, gzipped |",
    "| --- | --- | --- | --- |",
  );
  for (const view of ["panel", "reports", "admin"]) {
    const { scripts, styles } = filesOf(view, "connect");
    const onForge = gzipped(filesOf(view, "forge").scripts);
    lines.push(`| ${view} | ${kb(gzipped(scripts))} kB | ${kb(onForge)} kB | ${kb(gzipped(styles))} kB |`);
  }
  const later = readdirSync(join(DIST, "assets")).filter((file) =>
    /^(Calendar|MemberPicker).*\.js\.gz$/.test(file),
  );
  const sum = later.reduce((sum, file) => sum + statSync(join(DIST, "assets", file)).size, 0);
  lines.push(
    "",
    `The panel may have 50 kB. Calendar and member picker (${kb(sum)} kB together, beside what both share) are loaded when they are opened.`,
    "",
  );
});

test("when pages show something and can be used", async ({ browser }) => {
  lines.push("| page | first contentful paint | its data is shown | |", "| --- | --- | --- | --- |");
  const { acme } = links().sites;
  const pages: [string, string, string][] = [
    ["panel", `${acme.url}/browse/${acme.issue.key}`, ".worklogs .worklog"],
    [
      "reports",
      `${acme.reports}#!${encodeURIComponent("kind=timesheet&range=lastMonth&rows=user,issue&columns=day&measures=seconds")}`,
      "tbody button.value",
    ],
    ["admin", acme.admin, ".figures"],
  ];
  for (const [name, url, ready] of pages) {
    const paints: number[] = [];
    const used: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const page = await context.newPage();
      await page.goto(url);
      const frame = page.frameLocator("iframe.app");
      await frame.locator(ready).first().waitFor();
      const found = await frame.locator("body").evaluate(() => ({
        paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
        now: performance.now(),
      }));
      paints.push(found.paint);
      used.push(found.now);
      await context.close();
    }
    lines.push(
      `| ${name} | ${median(paints).toFixed(0)} ms | ${median(used).toFixed(0)} ms | median of ${RUNS} cold starts of the frame |`,
    );
  }
  lines.push(
    "",
    "Counted from the beginning of the frame's own load, in Chromium without a GPU, the bridge of the host (694 kB, not minified) included. A page can be used as soon as its data is shown: nothing is drawn on the server.",
    "",
  );
});

test("how the big table scrolls", async ({ world }) => {
  const state = "kind=timesheet&range=2026-01-01..2026-01-31&rows=user,issue&columns=day&measures=seconds";
  await world.openReports(state);
  await world.app.getByRole("button", { name: "Expand all" }).click();
  const count = Number(await world.app.getByRole("treegrid").getAttribute("aria-rowcount"));
  const empty = await scroll(world, true);
  const table = await scroll(world, false);
  const worst = percentile(table.frames, 0.95) / percentile(empty.frames, 0.95);
  lines.push(
    `Scrolling a timesheet of ${count.toLocaleString("en")} rows by 31 days, 120 times 500 pixels: median frame ${median(table.frames).toFixed(1)} ms, 95 % within ${percentile(table.frames, 0.95).toFixed(1)} ms; a page that only counts frames on the same machine: ${median(empty.frames).toFixed(1)} and ${percentile(empty.frames, 0.95).toFixed(1)} ms (${worst.toFixed(2)} times). ${table.rows} rows exist at a time.`,
    "",
  );
});

async function scroll(world: World, still: boolean): Promise<{ frames: number[]; rows: number }> {
  return world.app.locator(".scroller").evaluate(async (scroller, still) => {
    const frames: number[] = [];
    const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
    let before = await frame();
    for (let step = 0; step < 120; step += 1) {
      if (!still) scroller.scrollTop += 500;
      const now = await frame();
      frames.push(now - before);
      before = now;
    }
    return { frames, rows: scroller.querySelectorAll("tr[aria-level]").length };
  }, still);
}

test("what Lighthouse says of the panel", async () => {
  const { acme } = links().sites;
  const proxy = await beside(links().app, acme.url);
  const address = `http://127.0.0.1:${proxy.port}/?view=panel&issueId=${acme.issue.id}&zone=Europe/Berlin`;
  const file = join(tmpdir(), `hourbook-lighthouse-${process.pid}.json`);
  const browser = await chromium.launch({
    ...CHROMIUM,
    args: [...CHROMIUM.args, "--remote-debugging-port=9333"],
  });
  try {
    const options = [
      "--quiet",
      "--output=json",
      `--output-path=${file}`,
      "--only-categories=performance,accessibility",
    ];
    await promisify(execFile)("node_modules/.bin/lighthouse", [address, "--port=9333", ...options]);
  } finally {
    await browser.close();
    proxy.close();
  }
  interface Result {
    lighthouseVersion: string;
    categories: Record<"performance" | "accessibility", { score: number }>;
    audits: Record<string, { displayValue?: string } | undefined>;
  }
  const result = JSON.parse(readFileSync(file, "utf8")) as Result;
  const { performance, accessibility } = result.categories;
  const of = (audit: string) => result.audits[audit]?.displayValue ?? "?";
  lines.push(
    `Lighthouse ${result.lighthouseVersion}, the panel on its own, mobile with a slow network and a slow processor: performance ${performance.score.toFixed(2)} (target 0.95), accessibility ${accessibility.score.toFixed(2)} (target 1.00); first contentful paint ${of("first-contentful-paint")}, largest ${of("largest-contentful-paint")}, blocking time ${of("total-blocking-time")}.`,
    "",
  );
});

/** The built pages on their own, with the server and the site behind them, compressed as the server hands them out. */
async function beside(app: string, site: string): Promise<{ port: number; close: () => void }> {
  let session = "";
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const kind = /\.(js|css)$/.exec(path)?.[1];
    if (kind) {
      response.writeHead(200, {
        "Content-Type": kind === "js" ? "text/javascript" : "text/css",
        "Content-Encoding": "gzip",
        "Cache-Control": "public, max-age=31536000, immutable",
      });
      response.end(readFileSync(join(DIST, `${path}.gz`)));
    } else if (path.startsWith("/api/") || path.startsWith("/jira/")) {
      const url = path.startsWith("/api/") ? `${app}${path}` : `${site}${path.slice("/jira".length)}`;
      const authorization = request.headers.authorization;
      const headers = {
        ...(authorization && { authorization }),
        ...(path.startsWith("/jira/") && { cookie: session }),
      };
      fetch(url, { headers })
        .then(async (answer) => {
          response.writeHead(answer.status, { "Content-Type": answer.headers.get("Content-Type") ?? "" });
          response.end(await answer.text());
        })
        .catch(() => response.destroy());
    } else {
      response.writeHead(200, { "Content-Type": "text/html" });
      response.end(readFileSync(join(DIST, "index.html")));
    }
  });
  session = `session=${links().sites.acme.people[0] ?? ""}`;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { port: typeof address === "object" && address ? address.port : 0, close: () => server.close() };
}

test.afterAll(() => {
  const before = readFileSync(BENCHMARKS, "utf8");
  const others = before.split(/^(?=## )/m).filter((section) => !section.startsWith(HEADING));
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const how = `\`make bench-pages\`, at ${commit}: a site of 100,000 worklogs in the simulated Jira, Debian's Chromium.`;
  writeFileSync(
    BENCHMARKS,
    `${others.join("").trimEnd()}\n\n${HEADING}\n\n${how}\n\n${lines.join("\n").trimEnd()}\n`,
  );
});
