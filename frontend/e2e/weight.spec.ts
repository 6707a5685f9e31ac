// What the panel may weigh, on either host.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { DIST, filesOf, gzipped } from "./weight";

test("the panel stays within 50 kB beside the bridge of its host", () => {
  // Connect's bridge comes from Atlassian; Forge's is a part of its adapter.
  expect(gzipped(filesOf("panel", "connect").scripts)).toBeLessThanOrEqual(50_000);
  expect(gzipped(filesOf("panel").scripts)).toBeLessThanOrEqual(50_000);
});

test("the bridge of Forge is loaded on Forge alone", () => {
  const holds = (file: string) => readFileSync(join(DIST, file), "utf8").includes("callBridge");
  for (const view of ["panel", "reports", "admin"]) {
    expect([...filesOf(view, "connect").scripts].filter(holds), view).toEqual([]);
    expect([...filesOf(view, "forge").scripts].filter(holds), view).toHaveLength(1);
  }
});
