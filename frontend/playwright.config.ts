import { defineConfig } from "@playwright/test";

/** Debian's Chromium; without the flags it looks for hosts of its own makers at every start. */
export const CHROMIUM = {
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

export default defineConfig({
  testDir: "e2e",
  testIgnore: ["**/pictures/**", "**/bench/**"],
  globalSetup: "./e2e/server.ts",
  workers: 2,
  fullyParallel: true,
  // Machines are shared and noisy. What passes only the second time is listed as flaky, and has to be mended.
  retries: 1,
  timeout: 30_000,
  expect: { timeout: 8_000 },
  reporter: [["list"]],
  outputDir: "test-results",
  use: { launchOptions: CHROMIUM, trace: "retain-on-failure", viewport: { width: 1280, height: 900 } },
});
