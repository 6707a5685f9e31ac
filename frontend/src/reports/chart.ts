// What a chart shows, counted from the rows of the table beside it.

import { axisName, isPeriod, nameOf } from "./members";
import type { ReportView } from "./state";

/** A part of a bar, or a bar of its own. */
export interface Series {
  name: string;
  /** Colour: its number among the categorical ones of the design, from 1; 0 for what was put together. */
  colour: number;
  /** The first measure, for each column; of a chart without columns the one sum. */
  values: number[];
}

/** Stacked bars over time, or one bar for each group. */
export interface Chart {
  kind: "time" | "share";
  columns: { name: string; short: string }[];
  series: Series[];
}

/** Colours that can be told apart. */
const COLOURS = 8;

/** The chart of a report; none if nothing was measured. */
export function chartOf(report: ReportView, others: string): Chart | undefined {
  const dimension = report.rows[0]?.dimension;
  const { columns } = report;
  const overTime = columns !== undefined && columns !== null && isPeriod(columns.dimension);
  const width = overTime ? columns.values.length : 1;
  const groups = (report.items ?? []).filter((row) => row.depth === 1);
  const all = groups.map((row) => {
    const values = Array.from({ length: width }, () => 0);
    if (overTime) for (const [at, [value]] of row.cells ?? []) values[at] = value ?? 0;
    else values[0] = row.values[0] ?? 0;
    return {
      name: row.restOf ? others : dimension ? nameOf(dimension, row.value) : "",
      values,
      sum: row.values[0] ?? 0,
    };
  });
  if (all.length === 0) return undefined;
  all.sort((one, other) => other.sum - one.sum);
  const shown = all.slice(0, all.length > COLOURS ? COLOURS - 1 : COLOURS);
  const rest = all.slice(shown.length);
  if (rest.length > 0) {
    const values = rest.reduce<number[]>(
      (sums, { values }) => sums.map((sum, at) => sum + (values[at] ?? 0)),
      Array.from({ length: width }, () => 0),
    );
    shown.push({ name: others, values, sum: 0 });
  }
  return {
    kind: overTime ? "time" : "share",
    columns: overTime ? columns.values.map((member) => axisName(columns.dimension, member)) : [],
    series: shown.map(({ name, values }, at) => ({
      name,
      values,
      colour: rest.length > 0 && at === shown.length - 1 ? 0 : at + 1,
    })),
  };
}

/** Round steps of an axis up to a value: hours where seconds are measured. */
export function ticks(most: number, isTime: boolean): number[] {
  const unit = isTime ? 3600 : 1;
  const rough = Math.max(most / unit, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power) * unit;
  const steps: number[] = [];
  for (let at = 0; at < most + step; at += step) steps.push(at);
  return steps;
}
