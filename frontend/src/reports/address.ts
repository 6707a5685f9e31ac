// A report page as text for the address of a page, such as `kind=pivot&range=lastMonth&rows=user,project`, and back.

import {
  COLUMNS,
  type Dimension,
  KINDS,
  MEASURES,
  MOST_ROWS,
  PICKED,
  RELATIVE,
  ROWS,
  type Range,
  type Sort,
  type State,
  WEEKDAYS,
} from "./state";
import { isDay } from "../time/zone";

const STYLES: State["style"][] = ["units", "clock", "decimal"];
const SORTS: Sort["by"][] = ["name", "started", ...MEASURES];

/** Writes a page. */
export function write(state: State): string {
  const query = new URLSearchParams();
  query.set("kind", state.kind);
  query.set("range", writeRange(state.range));
  query.set("zone", state.zone);
  query.set("week", state.weekStart);
  query.set("rows", state.rows.join());
  if (state.columns) query.set("columns", state.columns);
  query.set("measures", state.measures.join());
  if (state.sort) query.set("sort", `${state.sort.descending ? "-" : ""}${state.sort.by}`);
  if (state.top !== undefined) query.set("top", String(state.top));
  for (const name of PICKED) {
    const { include, exclude } = state.picks[name];
    if (include.length > 0) query.set(name, include.join());
    if (exclude.length > 0) query.set(`-${name}`, exclude.join());
  }
  if (state.jql.include) query.set("jql", state.jql.include);
  if (state.jql.exclude) query.set("-jql", state.jql.exclude);
  if (state.view !== "table") query.set("view", state.view);
  if (state.style !== "units") query.set("style", state.style);
  if (state.saved) query.set("report", state.saved);
  return query.toString();
}

/** Reads a page; whatever is missing or makes no sense stays as it is. */
export function read(text: string, otherwise: State): State {
  const query = new URLSearchParams(text);
  const list = (name: string) => (query.get(name) ?? "").split(",").filter(Boolean);
  const known = <T extends string>(all: readonly T[], value: string | null): T | undefined =>
    all.find((one) => one === value);
  const among = <T extends string>(all: readonly T[], name: string): T[] => [
    ...new Set(list(name).flatMap((value) => known(all, value) ?? [])),
  ];
  const kind = known(KINDS, query.get("kind")) ?? otherwise.kind;
  const rows = query.has("rows") ? among<Dimension>(ROWS, "rows").slice(0, MOST_ROWS) : otherwise.rows;
  const columns = query.has("kind") ? known(COLUMNS, query.get("columns")) : otherwise.columns;
  const measures = among(MEASURES, "measures");
  const top = Number(query.get("top"));
  const sort = query.get("sort") ?? "";
  const by = known(SORTS, sort.replace(/^-/, ""));
  const picks = (name: string) => ({ include: list(name), exclude: list(`-${name}`) });
  return {
    kind,
    range: readRange(query.get("range")) ?? otherwise.range,
    zone: query.get("zone") ?? otherwise.zone,
    weekStart: known(WEEKDAYS, query.get("week")) ?? otherwise.weekStart,
    rows: rows.filter((row) => row !== columns),
    columns,
    measures: measures.length > 0 ? measures : otherwise.measures,
    sort: by && { by, descending: sort.startsWith("-") },
    top: Number.isInteger(top) && top > 0 ? top : undefined,
    picks: {
      people: picks("people"),
      groups: picks("groups"),
      projects: picks("projects"),
      issues: picks("issues"),
      tags: picks("tags"),
    },
    jql: { include: query.get("jql") ?? "", exclude: query.get("-jql") ?? "" },
    view: query.get("view") === "chart" ? "chart" : "table",
    style: known(STYLES, query.get("style")) ?? "units",
    saved: query.get("report") ?? undefined,
  };
}

function writeRange(range: Range): string {
  if (range.relative) return range.relative;
  return range.lastDays ? `last${range.lastDays}` : `${range.first ?? ""}..${range.last ?? ""}`;
}

function readRange(text: string | null): Range | undefined {
  const relative = RELATIVE.find((name) => name === text);
  if (relative) return { relative };
  const days = /^last(\d{1,5})$/.exec(text ?? "")?.[1];
  if (days && Number(days) > 0) return { lastDays: Number(days) };
  const [first = "", last = ""] = (text ?? "").split("..");
  return isDay(first) && isDay(last) && first <= last ? { first, last } : undefined;
}
