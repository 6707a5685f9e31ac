// Members of dimensions in words: names where there are any, periods by the person's calendar.

import { isClosed } from "../host/lookups";
import { f, t } from "../text";
import { addDays } from "../time/zone";
import type { Dimension, Member } from "./state";

/** What a member is called. */
export function nameOf(dimension: Dimension, member: Member | null | undefined): string {
  if (!member) return "";
  if (member.state === "none") return t.reports.none[dimension];
  if (member.state === "hidden") return t.reports.hidden;
  if (isClosed(member.id)) return t.people.closed;
  if (member.state === "unknown") return t.people.unknown;
  const id = member.id ?? "";
  const period = periodOf(dimension, id);
  if (period) return period;
  const name = member.name ?? id;
  if (dimension === "issue") return member.key ? `${member.key} ${member.name ?? ""}`.trim() : name;
  return member.state === "former" ? t.people.former(name) : name;
}

/** A short form for the head of a column. */
export function headOf(dimension: Dimension, member: Member): { short: string; long: string } {
  const id = member.id ?? "";
  const long = nameOf(dimension, member);
  if (dimension === "day" && id) {
    return {
      short: `${f.day(id, { weekday: "short" })}\n${f.day(id, { day: "numeric", month: "numeric" })}`,
      long,
    };
  }
  return { short: long, long };
}

/** A period on an axis, where there is little room; its whole name says the rest. */
export function axisName(dimension: Dimension, member: Member): { name: string; short: string } {
  const name = nameOf(dimension, member);
  const isDay = dimension === "day" || dimension === "week";
  return { name, short: isDay && member.id ? f.day(member.id, { month: "short", day: "numeric" }) : name };
}

/** A period in words; its id is its first day, or of a weekday its number from Monday. */
function periodOf(dimension: Dimension, id: string): string | undefined {
  switch (dimension) {
    case "day":
      return f.day(id, { weekday: "short", year: "numeric", month: "short", day: "numeric" });
    case "week":
      return f.days(id, addDays(id, 6));
    case "month":
      return f.day(id, { year: "numeric", month: "short" });
    case "quarter":
      return t.reports.quarter(Math.trunc((Number(id.slice(5, 7)) - 1) / 3) + 1, id.slice(0, 4));
    case "year":
      return id.slice(0, 4);
    case "weekday":
      // 1 January 2024 was a Monday.
      return f.day(addDays("2024-01-01", Number(id) - 1), { weekday: "long" });
    default:
      return undefined;
  }
}

export function isPeriod(dimension: Dimension): boolean {
  return ["day", "week", "month", "quarter", "year", "weekday"].includes(dimension);
}

/** Whether a day is Saturday or Sunday; told by a pattern and in the name as well as in colour. */
export function isWeekend(day: string): boolean {
  return [0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay());
}
