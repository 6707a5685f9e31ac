// What a page loads before it shows something, as it was built.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export const DIST = "dist";

interface Chunk {
  file: string;
  imports?: string[];
  css?: string[];
}

/** Its chunk, what that imports, one language, and the adapter of a host unless that is left out. */
export function filesOf(
  view: string,
  host?: "connect" | "forge",
): { scripts: Set<string>; styles: Set<string> } {
  const manifest = JSON.parse(readFileSync(join(DIST, "manifest.json"), "utf8")) as Record<string, Chunk>;
  const [scripts, styles] = [new Set<string>(), new Set<string>()];
  const wanted = ["index.html", `src/${view}/index.tsx`, "src/text/en.ts"];
  if (host) wanted.push(`src/host/${host}.ts`);
  for (const name of wanted) {
    const chunk = manifest[name];
    if (!chunk) throw new Error(`${name} was not built`);
    scripts.add(chunk.file);
    chunk.css?.forEach((file) => styles.add(file));
    wanted.push(...(chunk.imports ?? []).filter((other) => !wanted.includes(other)));
  }
  return { scripts, styles };
}

/** Bytes of them, packed. */
export function gzipped(files: Iterable<string>): number {
  return [...files].reduce((sum, file) => sum + statSync(join(DIST, `${file}.gz`)).size, 0);
}
