import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import de from "./de";
import en from "./en";
import { Format } from "./format";

type Leaf = [path: string, value: unknown];

function leaves(value: unknown, path = ""): Leaf[] {
  if (typeof value !== "object" || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([name, inside]) => leaves(inside, `${path}.${name}`));
}

describe("the catalogues", () => {
  const paths = (texts: typeof en) => leaves(texts).map(([path]) => path);
  // Problems are told by the server in English: only other languages have words of their own for them.
  const own = (path: string) => !path.startsWith(".problems") && !path.startsWith(".stamp.warnings");

  it("say the same things", () => {
    expect(paths(de).filter(own)).toEqual(paths(en).filter(own));
  });

  it("are translated, word for word", () => {
    const german = new Map(leaves(de));
    const kept = leaves(en).filter(
      ([path, text]) => typeof text === "string" && /[a-z]{3}/.test(text) && german.get(path) === text,
    );
    // Words that both languages have.
    const same = [
      "Hourbook",
      "In Jira",
      "Pivot",
      "Person",
      "Status",
      "JQL",
      "Region",
      "JSON Lines",
      "Excel (XLSX)",
      "labels = billable",
    ];
    expect(kept.map(([, text]) => text).filter((text) => !same.includes(String(text)))).toEqual([]);
  });

  it("know one from many", () => {
    expect([0, 1, 2, 1234].map(en.worklogs)).toEqual([
      "0 worklogs",
      "1 worklog",
      "2 worklogs",
      "1,234 worklogs",
    ]);
    expect([0, 1, 2, 1234].map(de.worklogs)).toEqual([
      "0 Einträge",
      "1 Eintrag",
      "2 Einträge",
      "1.234 Einträge",
    ]);
    expect(de.reports.lastDays(1)).toBe("Letzter Tag");
  });

  it("hold every text: no component has words of its own", () => {
    const folder = join(process.cwd(), "src");
    const files = readdirSync(folder, { recursive: true }).map(String);
    const found = files
      .filter((file) => file.endsWith(".tsx") && !file.includes("test"))
      .flatMap((file) => {
        const code = readFileSync(join(folder, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
        const texts = [...code.matchAll(/>\s*([A-Z][a-z]+(?: [a-z]+)*[.!?]?)\s*<[/a-z]/g)].map(
          (match) => match[1],
        );
        const named = [...code.matchAll(/(?:aria-label|title|placeholder|label)="([^"]+)"/g)].map(
          (match) => match[1],
        );
        return [...texts, ...named].map((text) => `${file}: ${text ?? ""}`);
      });
    // A type is no text, and the name of a language is the same in each.
    expect(found.filter((text) => !/: (JQL|Promise)$/.test(text))).toEqual([]);
  });
});

describe("formats", () => {
  const english = new Format("en-US", "UTC");
  const german = new Format("de-DE", "Europe/Berlin");

  it("show durations in three ways, with the person's separators", () => {
    expect(["units", "clock", "decimal"].map((style) => german.duration(5400, style as "units"))).toEqual([
      "1h 30m",
      "1:30",
      "1,50",
    ]);
    expect(english.duration(4_500_000, "decimal")).toBe("1,250.00");
    expect(english.duration(3_600_000)).toBe("1,000h");
    expect([0, 59 * 60, -5400].map((seconds) => english.duration(seconds))).toEqual(["0m", "59m", "−1h 30m"]);
  });

  it("say durations in words", () => {
    expect(english.spoken(5400)).toBe("1 hour, 30 minutes");
    expect(german.spoken(5400)).toBe("1 Stunde, 30 Minuten");
    expect(german.spoken(0)).toBe("0 Minuten");
  });

  it("show instants by the person's clocks", () => {
    expect(german.instant("2026-03-02T23:30:00Z")).toBe("03.03.2026, 00:30");
    expect(english.time("2026-03-02T09:05:00Z").replace("\u202f", " ")).toBe("9:05 AM");
  });
});
