// What a report page shows, as a value: the definition for the server and how it is drawn. The address holds all of it.

import type { Schemas } from "../api/client";
import type { DurationStyle } from "../text/format";

export type Definition = Schemas["Definition"];
export type Dimension = Schemas["Dimension"];
export type Measure = Schemas["Measure"];
export type Kind = Schemas["Kind"];
export type Range = Schemas["RangeInput"];
export type Sort = Schemas["Sort"];
export type Member = Schemas["Member"];
export type ReportView = Schemas["ReportView"];
export type RowView = Schemas["RowView"];
export type Line = Schemas["Line"];

/** Filters whose members are picked from a list. */
export const PICKED = ["people", "groups", "projects", "issues", "tags"] as const;
export type Picked = (typeof PICKED)[number];

/** Members to include and to exclude. */
export interface Picks {
  include: string[];
  exclude: string[];
}

/** A report page. */
export interface State {
  kind: Kind;
  range: Range;
  zone: string;
  weekStart: Schemas["WeekStart"];
  rows: Dimension[];
  columns: Dimension | undefined;
  measures: Measure[];
  sort: Sort | undefined;
  top: number | undefined;
  picks: Record<Picked, Picks>;
  jql: { include: string; exclude: string };
  view: "table" | "chart";
  style: DurationStyle;
  /** The saved report that this began as. */
  saved: string | undefined;
}

export const ROWS: Dimension[] = [
  "user",
  "project",
  "parent",
  "issue",
  "issueType",
  "status",
  "component",
  "fixVersion",
  "label",
  "tag",
  "day",
  "week",
  "month",
  "quarter",
  "year",
  "weekday",
];
export const COLUMNS: Dimension[] = ["day", "week", "month", "quarter", "tag"];
export const MEASURES: Measure[] = ["seconds", "effective", "worklogs", "people", "days"];
export const KINDS: Kind[] = ["summary", "timesheet", "pivot", "details", "overlaps"];
export const RELATIVE: NonNullable<Schemas["RangeInput"]["relative"]>[] = [
  "today",
  "yesterday",
  "thisWeek",
  "lastWeek",
  "thisMonth",
  "lastMonth",
  "thisQuarter",
  "lastQuarter",
  "thisYear",
  "lastYear",
];
/** Days that a week may begin on, in the order of ISO 8601. */
export const WEEKDAYS: State["weekStart"][] = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
];
/** Levels of rows at most, as the server has it. */
export const MOST_ROWS = 4;

const nothing = (): Picks => ({ include: [], exclude: [] });

/** What each kind shows until somebody says otherwise. */
const PRESETS: Record<Kind, Pick<State, "rows" | "columns" | "measures">> = {
  summary: { rows: ["project", "issue"], columns: undefined, measures: ["seconds", "worklogs", "people"] },
  timesheet: { rows: ["user", "issue"], columns: "day", measures: ["seconds"] },
  pivot: { rows: ["project", "user"], columns: "week", measures: ["seconds"] },
  details: { rows: [], columns: undefined, measures: ["seconds"] },
  overlaps: { rows: [], columns: undefined, measures: ["seconds"] },
};

/** The first look: everybody's week. */
export function first(zone: string, weekStart: State["weekStart"]): State {
  return {
    kind: "timesheet",
    range: { relative: "thisWeek" },
    zone,
    weekStart,
    ...PRESETS.timesheet,
    sort: undefined,
    top: undefined,
    picks: { people: nothing(), groups: nothing(), projects: nothing(), issues: nothing(), tags: nothing() },
    jql: { include: "", exclude: "" },
    view: "table",
    style: "units",
    saved: undefined,
  };
}

/** The same days and filters in another kind. */
export function withKind(state: State, kind: Kind): State {
  return { ...state, kind, ...PRESETS[kind], sort: undefined, top: undefined, view: "table" };
}

export function isTable(kind: Kind): boolean {
  return kind !== "details" && kind !== "overlaps";
}

/** What the server is asked. */
export function definitionOf(state: State): Definition {
  const { picks, jql } = state;
  const pick = (picks: Picks) => ({
    ...(picks.include.length > 0 && { include: picks.include }),
    ...(picks.exclude.length > 0 && { exclude: picks.exclude }),
  });
  const tables = isTable(state.kind);
  return {
    kind: state.kind,
    range: state.range,
    zone: state.zone,
    weekStart: state.weekStart,
    filters: {
      people: pick(picks.people),
      groups: pick(picks.groups),
      projects: pick(picks.projects),
      issues: pick(picks.issues),
      tags: {
        ...(picks.tags.include.length > 0 && { any: picks.tags.include }),
        ...(picks.tags.exclude.length > 0 && { none: picks.tags.exclude }),
      },
      jql: {
        ...(jql.include.trim() && { include: jql.include.trim() }),
        ...(jql.exclude.trim() && { exclude: jql.exclude.trim() }),
      },
    },
    ...(tables && { rows: state.rows }),
    ...(tables && state.columns && { columns: state.columns }),
    measures: state.measures,
    ...(state.sort && { sort: state.sort }),
    ...(tables && state.top !== undefined && { top: state.top }),
  };
}

/** A definition as a page; what pages do not show of it (all of several tags at once) is kept out. */
export function stateOf(definition: Definition, before: State): State {
  const { filters } = definition;
  const picks = (pick: { include?: string[]; exclude?: string[] } | undefined): Picks => ({
    include: pick?.include ?? [],
    exclude: pick?.exclude ?? [],
  });
  const kind = definition.kind ?? "summary";
  return {
    ...before,
    kind,
    range: definition.range,
    zone: definition.zone ?? "viewer",
    weekStart: definition.weekStart ?? "monday",
    rows: definition.rows ?? PRESETS[kind].rows,
    columns: definition.columns ?? (kind === "summary" ? undefined : PRESETS[kind].columns),
    measures: definition.measures?.length ? definition.measures : ["seconds"],
    sort: definition.sort ?? undefined,
    top: definition.top ?? undefined,
    picks: {
      people: picks(filters?.people),
      groups: picks(filters?.groups),
      projects: picks(filters?.projects),
      issues: picks(filters?.issues),
      tags: { include: filters?.tags?.any ?? [], exclude: filters?.tags?.none ?? [] },
    },
    jql: { include: filters?.jql?.include ?? "", exclude: filters?.jql?.exclude ?? "" },
    view: "table",
  };
}
