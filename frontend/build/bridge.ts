// Atlassian's bridge for pages in iframes, for the simulated Jira of the demo and the browser tests only. In
// production the host's own copy is loaded from Atlassian.

import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

/** Copies the two halves of the bridge, and its licence, into a folder of their own. */
export function bridge(folder: string): Plugin {
  return {
    name: "bridge",
    apply: "build",
    closeBundle: () => {
      const require = createRequire(import.meta.url);
      const source = dirname(require.resolve("atlassian-connect-js/package.json"));
      mkdirSync(folder, { recursive: true });
      for (const file of ["dist/connect-host.js", "dist/connect-host.css", "dist/iframe.js", "LICENSE"]) {
        copyFileSync(join(source, file), join(folder, file.replace("dist/", "")));
      }
    },
  };
}
