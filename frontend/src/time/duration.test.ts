import { describe, expect, it } from "vitest";
// The very file that holds the server to the same grammar.
import shared from "../../../tests/vectors/duration.json";
import { type SiteTime, isMisread, readDuration } from "./duration";

interface Vectors {
  groups: {
    settings: { hoursPerDay: number; daysPerWeek: number; defaultUnit: string; language: string };
    cases: {
      input: string;
      seconds?: number;
      start?: number;
      hint?: string;
      confirm?: boolean;
      error?: string;
    }[];
  }[];
}

const vectors = shared as Vectors;

describe("the duration grammar", () => {
  it("reads the shared examples as the server does", () => {
    let checked = 0;
    for (const { settings, cases } of vectors.groups) {
      const site: SiteTime = {
        workingHoursPerDay: settings.hoursPerDay,
        workingDaysPerWeek: settings.daysPerWeek,
        defaultUnit: settings.defaultUnit,
      };
      for (const { input, error, confirm = false, ...expected } of cases) {
        const read = readDuration(input, site, settings.language);
        if (error) expect(read, input).toMatchObject({ code: error });
        else expect(isMisread(read) ? read : { ...read }, input).toEqual({ ...expected, confirm });
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(50);
  });

  it("takes no word of an object for a unit", () => {
    const site = { workingHoursPerDay: 8, workingDaysPerWeek: 5, defaultUnit: "minute" };
    expect(readDuration("1constructor", site, "en")).toMatchObject({ code: "unit" });
    expect(readDuration("1h", site, "__proto__")).toMatchObject({ seconds: 3600 });
  });
});
