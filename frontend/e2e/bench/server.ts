// A larger site on the server as it is shipped: built with `--release`.

import { join } from "node:path";
import { start } from "../server";

export default () => {
  const target = process.env["CARGO_TARGET_DIR"] ?? join(process.cwd(), "../target");
  process.env["HOURBOOK_DEMO"] ??= join(target, "release/hourbook");
  return start(100_000);
};
