// Every built file also as the server hands it out: Brotli and gzip, at their best, once.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Writes `.br` and `.gz` beside what was built. */
export function compressed(folder: string): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle: () => {
      for (const entry of readdirSync(join(folder, "assets"))) {
        if (!/\.(js|css|svg)$/.test(entry)) continue;
        const path = join(folder, "assets", entry);
        const bytes = readFileSync(path);
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}
