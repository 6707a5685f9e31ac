import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { bridge } from "./build/bridge.ts";
import { compressed } from "./build/compressed.ts";
import { tokens } from "./build/tokens.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

interface Links {
  app: string;
  sites: { acme: { url: string; people: string[] } };
}

/** For development: the server and the site of a demo, whose addresses `hourbook demo --links` wrote into a file. */
function behind() {
  const file = process.env["DEMO_LINKS"];
  if (!file) return {};
  const { app, sites } = JSON.parse(readFileSync(file, "utf8")) as Links;
  const headers = { cookie: `session=${sites.acme.people[0] ?? ""}` };
  const rewrite = (path: string) => path.replace(/^\/jira/, "");
  return { "/api": app, "/jira": { target: sites.acme.url, headers, rewrite } };
}

export default defineConfig({
  // The server puts its own address in front.
  base: "./",
  plugins: [tokens(here("src")), compressed(here("dist")), bridge(here("dist-host"))],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: {
    alias: {
      react: "preact/compat",
      "react-dom": "preact/compat",
      "react/jsx-runtime": "preact/jsx-runtime",
    },
  },
  build: {
    target: "es2022",
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: behind() },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], setupFiles: ["src/test.setup.ts"] },
});
