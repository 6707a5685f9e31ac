import base from "./playwright.config";

/** `npm run bench`: figures, one after the other, on a server as it is shipped. */
export default {
  ...base,
  testDir: "e2e/bench",
  testIgnore: [],
  globalSetup: "./e2e/bench/server.ts",
  outputDir: "test-results/bench",
  workers: 1,
  fullyParallel: false,
  timeout: 300_000,
};
