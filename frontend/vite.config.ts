import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { bridge } from "./build/bridge.ts";
import { compressed } from "./build/compressed.ts";
import { tokens } from "./build/tokens.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

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
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], setupFiles: ["src/test.setup.ts"] },
});
