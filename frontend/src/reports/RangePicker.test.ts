import { describe, expect, it } from "vitest";
import { shift } from "./RangePicker";

describe("the period beside one", () => {
  it("of whole months is whole months, through the end of a year and a short February", () => {
    expect(shift({ first: "2026-01-01", last: "2026-01-31" }, -1)).toEqual({
      first: "2025-12-01",
      last: "2025-12-31",
    });
    expect(shift({ first: "2026-01-01", last: "2026-01-31" }, 1)).toEqual({
      first: "2026-02-01",
      last: "2026-02-28",
    });
    expect(shift({ first: "2026-01-01", last: "2026-03-31" }, 1)).toEqual({
      first: "2026-04-01",
      last: "2026-06-30",
    });
    expect(shift({ first: "2024-01-01", last: "2024-12-31" }, -1)).toEqual({
      first: "2023-01-01",
      last: "2023-12-31",
    });
  });

  it("of days is as many days", () => {
    expect(shift({ first: "2026-03-02", last: "2026-03-08" }, 1)).toEqual({
      first: "2026-03-09",
      last: "2026-03-15",
    });
    expect(shift({ first: "2026-03-01", last: "2026-03-01" }, -1)).toEqual({
      first: "2026-02-28",
      last: "2026-02-28",
    });
  });
});
