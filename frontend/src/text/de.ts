// Every text in English. The German catalogue has the same shape, or the compiler says so.

import type { MisreadCode } from "../time/duration";
import type { Texts } from "./en";
import { plural } from "./plural";

const n = plural("en");

const misread: Record<MisreadCode, (part: string) => string> = {
  too_long: () => "That is too long for a duration. Write something like 1h 30m.",
  empty: () => "Enter the time spent, for example 1h 30m.",
  negative: () => "Time spent cannot be negative. Write it without the minus, for example 1h.",
  zero: () => "Time spent has to be more than nothing, for example 15m.",
  under_a_minute: () => "The least that can be logged is one minute: 1m.",
  too_much: () => "That is more than a year. Split it into several worklogs.",
  clock: () => "Write hours and minutes as 1:30, with two digits for the minutes.",
  clock_minutes: (part) => `${part} is more than 59 minutes. Write 1:30 or 90m.`,
  range: (part) => `“${part}” is no time of day. Write a range as 9-10:30.`,
  range_order: () => "The range ends before it begins. Write it as 9-10:30.",
  unit: (part) => `“${part}” is no unit of time. Use w, d, h or m, for example 1h 30m.`,
  unit_twice: (part) => `“${part}” is there twice. Write each unit once, for example 1h 30m.`,
  unit_missing: (part) => `${part} has no unit. Write it with one, for example 30m.`,
  number: (part) =>
    part
      ? `“${part}” is not a number. Write something like 1h 30m, 1.5h or 1:30.`
      : "Begin with a number, for example 1h 30m.",
};

const de: Texts = {
  cancel: "Cancel",
  close: "Close",
  loading: "Loading…",
  errors: {
    title: "That did not work",
    retry: "Try again",
    noAnswer: "No answer came. Check your connection and try again.",
  },
  /** Problems of the server by code; those without an entry are told in its own words. */
  problems: {} as Record<string, string | undefined>,
  people: { unknown: "Unknown person", somebody: "Somebody", you: "You" },
  duration: { misread: (code: MisreadCode, part: string): string => misread[code](part) },
  tags: {
    label: "Tags",
    chosen: "Chosen tags",
    placeholder: "Add a tag",
    add: "Add",
    create: "Create",
    remove: (name: string) => `Remove ${name}`,
    unknown: "Unknown tag",
    isArchived: (name: string) =>
      `“${name}” is archived. Take another tag, or ask a Jira admin to bring it back.`,
    onlyAdmins: (name: string) =>
      `There is no tag “${name}”, and on this site only Jira admins add tags. Take one from the list.`,
    tooMany: (most: number) => `A worklog has ${most} tags at most.`,
  },
  panel: {
    title: "Time",
    summary: "Time on this issue",
    logged: "Logged",
    remaining: "Left",
    estimated: "Estimate",
    share: (percent: string) => `${percent} of the estimate`,
    over: (by: string) => `${by} over the estimate`,
    timeSpent: "Time spent",
    durationExample: "1h 30m",
    day: "Date",
    start: "Start",
    dayMissing: "Choose the day.",
    timeMissing: "Choose when it began, such as 09:00.",
    whenElsewhere: (day: string, zone: string) => `${day}, by the clocks of ${zone}`,
    comment: "Comment",
    commentPlaceholder: "What did you do?",
    estimate: "Remaining estimate",
    estimates: {
      auto: "Reduce by the time spent",
      leave: "Leave as it is",
      new: "Set to …",
      manual: "Reduce by …",
    },
    estimateBy: { new: "New remaining estimate", manual: "Reduce the remaining estimate by" },
    estimateExample: "2d 4h",
    long: (spoken: string) => `= ${spoken}. That is long; you will be asked once more.`,
    confirm: (spoken: string) => `Is it really ${spoken}? Press the button once more to log it.`,
    hint: (other: string) => `Did you mean ${other}?`,
    log: "Log time",
    logAnyway: "Yes, log it",
    save: "Save",
    saving: "Saving…",
    loggedHeard: (spoken: string) => `${spoken} logged in Jira.`,
    savedHeard: (spoken: string) => `Saved in Jira: ${spoken}.`,
    notLogged: "Not logged",
    notSaved: "Not saved",
    unknown: {
      title: "Nobody knows yet whether this was logged",
      text: "Jira did not answer in time. Checking sends the same entry again; if Jira has it already, it is not logged twice.",
      again: "Check again",
      edit: "Change it first",
    },
    off: {
      title: "Time tracking is switched off",
      text: "A Jira admin can switch it on under Jira settings, Work items, Time tracking.",
    },
    mayNot: {
      title: "You may not log time on this issue",
      text: "Jira asks for the permission “Work on issues” in this project. Ask a project admin for it.",
    },
    latest: "Worklogs",
    older: "Show older worklogs",
    empty: {
      title: "No time logged yet",
      text: "Type how long you worked, such as 1h 30m, and press Enter.",
      readOnly: "Time that people log on this issue shows up here.",
    },
    edit: "Edit",
    copy: "Log again",
    delete: "Delete",
    undo: "Undo",
    deleted: (duration: string) => `${duration} deleted.`,
    deletedHeard: (spoken: string) => `${spoken} deleted. Press Undo within six seconds to keep it.`,
    notDeleted: (why: string) => `Not deleted: ${why}`,
    restricted: "Only some people see this worklog",
    todayAt: (time: string) => `Today, ${time}`,
    worklogLabel: (name: string, duration: string, day: string) => `${name}, ${duration}, ${day}`,
    states: { saving: "Saving", inJira: "In Jira", refused: "Refused" },
    rich: "This comment has formatting, which stays as it is.",
    replaceRich: "Replace it with plain text",
    conflict: {
      title: "Somebody changed this worklog while you were editing",
      jira: "In Jira now",
      mine: "Save mine instead",
      theirs: "Keep Jira’s version",
    },
  },
  worklogs: (count: number) => n(count, { one: "# worklog", other: "# worklogs" }),
};

export default de;
