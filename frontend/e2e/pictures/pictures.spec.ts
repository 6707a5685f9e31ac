// Pictures of every page and state in light, dark and narrow; two of them are the README's.

import { copyFileSync, mkdirSync } from "node:fs";
import { STATES } from "../states";
import { test } from "../world";

const FOLDER = "test-results/screenshots";
/** States whose pictures the README shows. */
const SHOWN: Record<string, string> = { "panel-light": "panel.png", "reports-pivot-light": "reports.png" };

const LOOKS = [
  { name: "light", theme: "light", width: 1280, height: 900 },
  { name: "dark", theme: "dark", width: 1280, height: 900 },
  { name: "narrow", theme: "light", width: 320, height: 800 },
] as const;

for (const { name, theme, width, height } of LOOKS) {
  for (const state of STATES) {
    test(`${state.name} ${name}`, async ({ world }) => {
      await world.page.setViewportSize({ width, height });
      const look = world.look.bind(world);
      world.look = (other) => look({ ...other, theme });
      await state.open(world);
      const path = `${FOLDER}/${state.name}-${name}.png`;
      await world.page.screenshot({ path, fullPage: name === "narrow", animations: "disabled" });
      const shown = SHOWN[`${state.name}-${name}`];
      if (!shown) return;
      mkdirSync("pictures", { recursive: true });
      copyFileSync(path, `pictures/${shown}`);
    });
  }
}
