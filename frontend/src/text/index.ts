// The language of the person. `t` is the catalogue, `f` the formats; both are set before anything is shown.

import { knownZone, languageTag } from "../host/host";
import type { Texts } from "./en";
import { Format } from "./format";

export let t: Texts;
export let f: Format;
/** Primary tag of the language that words of units are read in, such as `de`. */
export let language = "en";

const catalogues: Record<string, () => Promise<{ default: Texts }>> = {
  en: () => import("./en"),
  de: () => import("./de"),
};

/** Learns a language. Formats follow the person's own locale even where the texts are English. */
export async function speak(locale: string, zone: string | undefined): Promise<void> {
  const tag = languageTag(locale);
  language = new Intl.Locale(tag).language;
  const load = catalogues[language] ?? catalogues["en"];
  if (load) t = (await load()).default;
  f = new Format(tag, knownZone(zone));
}
