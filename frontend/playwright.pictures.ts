import base from "./playwright.config";

/** `npm run screenshots`: every page and state, to be looked at. */
export default { ...base, testDir: "e2e/pictures", testIgnore: [], outputDir: "test-results/pictures" };
