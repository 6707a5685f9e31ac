// What a form of work holds, what is wrong with it, and what is sent.

import type { Schemas } from "../api/client";
import { type Reading, type SiteTime, isMisread, readDuration } from "../time/duration";
import { f, language, t } from "../text";
import { instantOf, isDay, localOf, timeAfter, today, withOffset } from "../time/zone";

export type Worklog = Schemas["WorklogView"];
export type Input = Schemas["WorklogInput"];

/** What happens to the remaining estimate. */
export type Estimate = "auto" | "leave" | "new" | "manual";

/** A form, as typed. */
export interface Entry {
  duration: string;
  /** `2026-03-02`. */
  day: string;
  /** `09:00`. */
  time: string;
  comment: string;
  tags: string[];
  estimate: Estimate;
  /** With `new` and `manual`: as typed. */
  estimateBy: string;
}

/** Where work begins that nothing is known of. */
const BEGINS = "09:00";

/** A new form: today, from where the person's last work ended. */
export function blank(zone: string, lastEnd: string | null | undefined): Entry {
  const day = today(zone);
  const last = lastEnd ? localOf(Date.parse(lastEnd), zone) : undefined;
  const time = last?.day === day && last.time > "00:00" ? last.time : BEGINS;
  return { duration: "", day, time, comment: "", tags: [], estimate: "auto", estimateBy: "" };
}

/** The form of a worklog that there is. */
export function entryOf(worklog: Worklog, zone: string): Entry {
  const { day, time } = localOf(Date.parse(worklog.started), zone);
  return {
    duration: f.duration(worklog.timeSpentSeconds).replace(/[^\dhm ]/g, ""),
    day,
    time,
    comment: worklog.comment ?? "",
    tags: worklog.tags,
    estimate: "auto",
    estimateBy: "",
  };
}

/** Whether nothing was typed into a form. */
export function isBlank(entry: Entry): boolean {
  return entry.duration === "" && entry.comment === "" && entry.tags.length === 0 && entry.estimateBy === "";
}

/** A form, read; `wrong` names fields with what is the matter. */
export interface Read {
  reading?: Reading;
  /** What the remaining estimate is set to or reduced by, seconds. */
  estimate?: number;
  wrong: Partial<Record<"duration" | "day" | "time" | "estimateBy", string>>;
}

/** A form with nothing wrong in it. */
export type Readable = Read & { reading: Reading };

export function isReadable(read: Read): read is Readable {
  return read.reading !== undefined && Object.keys(read.wrong).length === 0;
}

export function readEntry(entry: Entry, site: SiteTime): Read {
  const wrong: Read["wrong"] = {};
  const read = readDuration(entry.duration, site, language);
  if (isMisread(read)) wrong.duration = t.duration.misread(read.code, read.part ?? "");
  if (!isDay(entry.day)) wrong.day = t.panel.dayMissing;
  if (!/^\d\d:\d\d$/.test(entry.time)) wrong.time = t.panel.timeMissing;
  let estimate: number | undefined;
  if (entry.estimate === "new" || entry.estimate === "manual") {
    const by = readDuration(entry.estimateBy, site, language);
    if (!isMisread(by)) estimate = by.seconds;
    // Nothing may remain.
    else if (by.code === "zero" && entry.estimate === "new") estimate = 0;
    else wrong.estimateBy = t.duration.misread(by.code, by.part ?? "");
  }
  return {
    wrong,
    ...(!isMisread(read) && { reading: read }),
    ...(estimate !== undefined && { estimate }),
  };
}

/** When the work began, with the offset of the zone. A range that was typed says it itself. */
export function startOf(entry: Entry, reading: Reading, zone: string): string {
  const time = reading.start === undefined ? entry.time : timeAfter(reading.start);
  return withOffset(instantOf(entry.day, time, zone), zone);
}

/** What is sent for a new worklog. */
export function newInput(entry: Entry, { reading, estimate }: Readable, zone: string): Input {
  return {
    started: startOf(entry, reading, zone),
    timeSpentSeconds: reading.seconds,
    ...(entry.comment.trim() && { comment: entry.comment.trim() }),
    ...(entry.tags.length > 0 && { tags: entry.tags }),
    ...estimateInput(entry, estimate),
  };
}

/** What is sent for a change: only what was changed, so that a comment with formatting stays as it is. */
export function changedInput(
  entry: Entry,
  { reading, estimate }: Readable,
  before: Worklog,
  zone: string,
): Input {
  const was = entryOf(before, zone);
  const moved = entry.day !== was.day || entry.time !== was.time || reading.start !== undefined;
  return {
    ifUpdated: before.updated,
    ...(moved && { started: startOf(entry, reading, zone) }),
    ...(entry.duration !== was.duration && { timeSpentSeconds: reading.seconds }),
    ...(entry.comment !== was.comment && { comment: entry.comment.trim() }),
    ...(entry.tags.join() !== was.tags.join() && { tags: entry.tags }),
    ...estimateInput(entry, estimate),
  };
}

/** As Jira reads it, whatever was typed: its own grammar knows fewer forms. */
function estimateInput(entry: Entry, seconds: number | undefined): Partial<Input> {
  if (entry.estimate === "auto") return {};
  const text = `${Math.round((seconds ?? 0) / 60)}m`;
  return {
    adjustEstimate: entry.estimate,
    ...(entry.estimate === "new" && { newEstimate: text }),
    ...(entry.estimate === "manual" && { reduceBy: text }),
  };
}
