import { describe, expect, it } from "vitest";
import { addDays, instantOf, isDay, localOf, withOffset } from "./zone";

describe("days and clocks of a zone", () => {
  const shown = (day: string, time: string, zone: string) => withOffset(instantOf(day, time, zone), zone);

  it("finds the instant that clocks show", () => {
    expect(shown("2026-03-02", "09:00", "Europe/Berlin")).toBe("2026-03-02T09:00:00+01:00");
    expect(shown("2026-07-02", "09:00", "America/New_York")).toBe("2026-07-02T09:00:00-04:00");
    expect(shown("2026-07-02", "00:30", "Asia/Kolkata")).toBe("2026-07-02T00:30:00+05:30");
  });

  it("gets by where clocks go back and forth", () => {
    // Shown twice: the first one counts.
    expect(shown("2026-10-25", "02:30", "Europe/Berlin")).toBe("2026-10-25T02:30:00+02:00");
    // Not shown at all: half an hour into the new time.
    expect(shown("2026-03-29", "02:30", "Europe/Berlin")).toBe("2026-03-29T03:30:00+02:00");
  });

  it("comes back to where it began, through two years of three zones", () => {
    for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
      for (let day = "2026-01-01"; day < "2028-01-01"; day = addDays(day, 1)) {
        const noon = instantOf(day, "12:00", zone);
        expect(localOf(noon, zone)).toEqual({ day, time: "12:00" });
      }
    }
  });

  it("knows a day when it sees one", () => {
    expect(isDay("2028-02-29")).toBe(true);
    expect(["2027-02-29", "2027-13-01", "1.1.2027", ""].some(isDay)).toBe(false);
  });
});
