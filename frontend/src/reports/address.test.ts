import { describe, expect, it } from "vitest";
import { read, write } from "./address";
import {
  COLUMNS,
  KINDS,
  MEASURES,
  PICKED,
  RELATIVE,
  ROWS,
  type State,
  definitionOf,
  first,
  stateOf,
} from "./state";

const start = first("viewer", "monday");

/** Numbers that look random and are the same each time. */
function* dice(seed: number): Generator<number, never> {
  for (;;) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield seed / 2_147_483_648;
  }
}

function random(seed: number): State {
  const roll = dice(seed);
  const next = () => roll.next().value;
  const one = <T>(all: readonly T[]): T => all[Math.trunc(next() * all.length)] as T;
  const some = <T>(all: readonly T[], most: number): T[] => all.filter(() => next() < 0.3).slice(0, most);
  const ids = () => (next() < 0.5 ? [] : ["5b10a2844c:20", "10001", "a b&c=d"].filter(() => next() < 0.5));
  const kind = one(KINDS);
  // Timesheets and pivots always have columns.
  const columns = one(kind === "timesheet" || kind === "pivot" ? COLUMNS : [undefined, ...COLUMNS]);
  const state: State = {
    ...start,
    kind,
    range: one([{ relative: one(RELATIVE) }, { lastDays: 30 }, { first: "2026-02-01", last: "2026-03-31" }]),
    zone: one(["viewer", "author", "Europe/Berlin"]),
    weekStart: one(["monday", "saturday", "sunday"]),
    rows: some(ROWS, 4).filter((row) => row !== columns),
    columns,
    measures: ["seconds", ...some(MEASURES.slice(1), 4)],
    sort: one([undefined, { by: "name", descending: false }, { by: "seconds", descending: true }]),
    top: one([undefined, 20]),
    jql: { include: one(["", 'labels = "a & b"']), exclude: one(["", "project = X"]) },
    view: one(["table", "chart"]),
    style: one(["units", "clock", "decimal"]),
    saved: one([undefined, "42"]),
  };
  for (const name of PICKED) state.picks = { ...state.picks, [name]: { include: ids(), exclude: ids() } };
  return state;
}

describe("a page in an address", () => {
  it("comes back as it went in", () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const state = random(seed);
      expect(read(write(state), start), `seed ${seed}`).toEqual(state);
    }
  });

  it("is the first page where the address says nothing", () => {
    expect(read("", start)).toEqual(start);
  });

  it("makes do with addresses that make no sense", () => {
    const state = read(
      "kind=pie&range=2026-13-01..2026-01-01&rows=user,user,colour,day&columns=day&top=-3&sort=-luck",
      start,
    );
    expect(state).toMatchObject({ kind: "timesheet", range: { relative: "thisWeek" }, rows: ["user"] });
    expect([state.top, state.sort]).toEqual([undefined, undefined]);
  });
});

describe("a definition", () => {
  it("of a page is a page again", () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const state = { ...random(seed), view: "table" as const };
      const definition = definitionOf(state);
      expect(definitionOf(stateOf(definition, state)), `seed ${seed}`).toEqual(definition);
    }
  });
});
