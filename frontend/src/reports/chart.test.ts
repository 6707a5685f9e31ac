import { beforeAll, describe, expect, it } from "vitest";
import { speak } from "../text";
import { chartOf, ticks } from "./chart";
import type { ReportView } from "./state";

beforeAll(() => speak("en", "UTC"));

const user = (id: string, cells: [number, number[]][]) => ({
  depth: 1,
  value: { id, name: id },
  values: [cells.reduce((sum, [, [value = 0]]) => sum + value, 0)],
  cells,
});

function report(items: ReportView["items"], dimension: "month" | "tag"): ReportView {
  return {
    rows: [{ dimension: "user", additive: true }],
    columns: { dimension, additive: true, values: [{ id: "2026-01-01" }, { id: "2026-02-01" }] },
    items,
  } as unknown as ReportView;
}

describe("a chart", () => {
  it("stacks groups over time, the largest first", () => {
    const chart = chartOf(
      report(
        [
          user("a", [[1, [60]]]),
          user("b", [
            [0, [120]],
            [1, [30]],
          ]),
        ],
        "month",
      ),
      "others",
    );
    expect(chart?.kind).toBe("time");
    expect(chart?.columns.map((column) => column.name)).toEqual(["Jan 2026", "Feb 2026"]);
    expect(chart?.series).toEqual([
      { name: "b", values: [120, 30], colour: 1 },
      { name: "a", values: [0, 60], colour: 2 },
    ]);
  });

  it("shows shares where there is no time, and loses nothing of what has no colour of its own", () => {
    const many = Array.from({ length: 12 }, (_, at) => user(`u${at}`, [[0, [100 - at]]]));
    const chart = chartOf(report(many, "tag"), "others");
    expect(chart?.kind).toBe("share");
    expect(chart?.series).toHaveLength(8);
    expect(chart?.series.at(-1)).toMatchObject({ name: "others", colour: 0 });
    const sum = chart?.series.flatMap((series) => series.values).reduce((sum, value) => sum + value, 0);
    expect(sum).toBe(many.reduce((sum, row) => sum + (row.values[0] ?? 0), 0));
  });

  it("has round steps that reach above the highest bar", () => {
    expect(ticks(7.5 * 3600, true)).toEqual([0, 7200, 14400, 21600, 28800]);
    for (const most of [1, 9, 3600, 123_456, 9_999_999]) {
      for (const isTime of [true, false]) {
        const steps = ticks(most, isTime);
        expect(steps.at(-1)).toBeGreaterThanOrEqual(most);
        expect(steps.length).toBeLessThanOrEqual(7);
      }
    }
  });
});
