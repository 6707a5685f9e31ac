// Starts the real server beside a simulated Jira Cloud, once for all tests, and stops it at the end.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 120_000;

/** The demo that `cargo build --features demo` makes. */
function binary(): string {
  const target = process.env["CARGO_TARGET_DIR"] ?? join(process.cwd(), "../target");
  return process.env["HOURBOOK_DEMO"] ?? join(target, "debug/hourbook");
}

/** Starts a demo in which nobody works by themselves; returns how to stop it. */
export async function start(worklogs: number): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "hourbook-pages-"));
  const links = join(folder, "links.json");
  const demo = spawn(
    binary(),
    ["demo", "--still", "--host", "both", "--worklogs", String(worklogs), "--links", links],
    {
      env: { ...process.env, HOURBOOK_LOG: "warn" },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  let ended: string | undefined;
  demo.on("error", (error) => (ended = error.message));
  demo.on("exit", (code) => (ended = `it ended with ${code ?? "a signal"}`));
  for (
    const begun = Date.now();
    !existsSync(links);
    await new Promise((resolve) => setTimeout(resolve, 100))
  ) {
    if (ended) throw new Error(`The demo did not start: ${ended}. Build it: cargo build --features demo`);
    if (Date.now() - begun > PATIENCE_MS) {
      demo.kill();
      throw new Error("The demo takes too long to start.");
    }
  }
  process.env["HOURBOOK_LINKS"] = readFileSync(links, "utf8");
  return async () => {
    const gone = new Promise((resolve) => demo.once("exit", resolve));
    demo.kill("SIGINT");
    await gone;
    rmSync(folder, { recursive: true });
  };
}

export default () => start(4000);
