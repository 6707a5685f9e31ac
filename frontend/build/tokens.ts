// Atlassian's design tokens as one style sheet, made at build time: only those that our sources name.

import { createRequire } from "node:module";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

interface Theme {
  id: string;
  css: string;
}

const NAME = "virtual:tokens.css";

/** Serves `virtual:tokens.css`. */
export function tokens(sources: string): Plugin {
  return {
    name: "tokens",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: async (id) => (id === `\0${NAME}` ? await styleSheet(sources) : undefined),
  };
}

async function styleSheet(sources: string): Promise<string> {
  // The package is CommonJS behind a folder that Node cannot import.
  const require = createRequire(import.meta.url);
  const { getThemeStyles } = require("@atlaskit/tokens/get-theme-styles") as {
    getThemeStyles: (state: Record<string, string>) => Promise<Theme[]>;
  };
  const themes = await quietly(() =>
    getThemeStyles({
      colorMode: "auto",
      light: "light",
      dark: "dark",
      shape: "shape",
      spacing: "spacing",
      typography: "typography",
    }),
  );
  const used = namesIn(sources);
  const block = (...ids: string[]) =>
    ids
      .flatMap((id) => declarations(themes.find((theme) => theme.id === id)?.css ?? ""))
      .filter(([name]) => used(name))
      .map(([name, value]) => `${name}:${value};`)
      .join("");
  const dark = block("dark");
  return [
    `:root{color-scheme:light;${block("light", "shape", "spacing", "typography")}}`,
    `html[data-color-mode="dark"]{color-scheme:dark;${dark}}`,
    `@media (prefers-color-scheme:dark){html:not([data-color-mode]){color-scheme:dark;${dark}}}`,
  ].join("\n");
}

function declarations(css: string): [string, string][] {
  return [...css.matchAll(/(--ds-[\w.-]+):\s*([^;]+);/g)].map((match) => [match[1] ?? "", match[2] ?? ""]);
}

/** Whether a token is named in a source; `--ds-chart-categorical-` names all that begin so. */
function namesIn(folder: string): (name: string) => boolean {
  const exact = new Set<string>();
  const prefixes = new Set<string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(css|tsx?)$/.test(entry.name)) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    for (const [name] of text.matchAll(/--ds-[\w-]+/g)) (name.endsWith("-") ? prefixes : exact).add(name);
  }
  return (name) => exact.has(name) || [...prefixes].some((prefix) => name.startsWith(prefix));
}

/** The package complains about feature gates that it has no client for; they are off, which is right. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { error, warn } = console;
  console.error = console.warn = () => undefined;
  try {
    return await work();
  } finally {
    Object.assign(console, { error, warn });
  }
}
