// The duration grammar: what people type as time spent. The server's `worklogs/duration.rs` reads in the same way;
// `tests/vectors/duration.json` holds both to it. Days and weeks are the site's own.

/** How a site counts time. */
export interface SiteTime {
  workingHoursPerDay: number;
  workingDaysPerWeek: number;
  /** Unit of a bare number: `minute`, `hour`, `day` or `week`. */
  defaultUnit: string;
}

/** How a text was read. */
export interface Reading {
  seconds: number;
  /** Minutes after midnight at which a range begins. */
  start?: number;
  /** Long enough to ask again. */
  confirm: boolean;
  /** What may have been meant instead. */
  hint?: string;
}

/** Why a text is no duration: a code of the catalogue, and the part at fault. */
export interface Misread {
  code: MisreadCode;
  part?: string;
}

export type MisreadCode =
  | "too_long"
  | "empty"
  | "negative"
  | "zero"
  | "under_a_minute"
  | "too_much"
  | "clock"
  | "clock_minutes"
  | "range"
  | "range_order"
  | "unit"
  | "unit_twice"
  | "unit_missing"
  | "number";

type Unit = "week" | "day" | "hour" | "minute" | "second";

/** Longest duration that is taken, seconds: a year. */
const LONGEST = 365 * 86_400;
/** A day; longer entries are usually slips. */
const CONFIRM_ABOVE = 24 * 3600;
/** A bare number read as more than this is usually meant in another unit. */
const CONFIRM_BARE_ABOVE = 12 * 3600;
const MOST_CHARS = 64;

/** Short forms hold everywhere, words only in the language of the person. */
const SHORT: Record<string, Unit> = { w: "week", d: "day", h: "hour", m: "minute", s: "second" };
const WORDS: Record<string, Record<string, Unit>> = {
  en: words(
    "wk wks week weeks",
    "day days",
    "hr hrs hour hours",
    "min mins minute minutes",
    "sec secs second seconds",
  ),
  de: words(
    "wo woche wochen",
    "t tag tage tagen",
    "std std. stunde stunden",
    "min min. minute minuten",
    "sek sek. sekunde sekunden",
  ),
  hu: words("hét", "n nap", "ó óra", "p perc", "mp másodperc"),
};
/** Code points of the zeros of the scripts that browsers' keyboards offer. */
const ZEROS = [
  0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0be6, 0x0c66, 0x0e50, 0x0ed0, 0xff10,
];

function words(...forms: string[]): Record<string, Unit> {
  const units: Unit[] = ["week", "day", "hour", "minute", "second"];
  return Object.fromEntries(
    forms.flatMap((form, at) => form.split(" ").map((word) => [word, units[at] ?? "second"])),
  );
}

class Refused extends Error {
  constructor(readonly misread: Misread) {
    super(misread.code);
  }
}

function refuse(code: MisreadCode, part?: string): never {
  throw new Refused({ code, ...(part !== undefined && { part }) });
}

/** Reads a duration. `language` is the primary language tag of the person, such as `en`. */
export function readDuration(text: string, site: SiteTime, language: string): Reading | Misread {
  try {
    return read(text, site, language);
  } catch (error) {
    if (error instanceof Refused) return error.misread;
    throw error;
  }
}

export function isMisread(read: Reading | Misread): read is Misread {
  return "code" in read;
}

function read(given: string, site: SiteTime, language: string): Reading {
  if ([...given].length > MOST_CHARS) refuse("too_long");
  const text = [...given.trim()].map(asciiDigit).join("").toLowerCase();
  if (text === "") refuse("empty");
  if (/^[-−]/.test(text)) refuse("negative");
  const dash = text.search(/[-–]/);
  if (dash >= 0) return range(text.slice(0, dash).trim(), text.slice(dash + 1).trim());
  return text.includes(":") ? finish(clock(text), false) : units(text, site, language);
}

function finish(exact: number, bare: boolean, hint?: string): Reading {
  if (exact <= 0) refuse("zero");
  if (exact < 60) refuse("under_a_minute");
  if (exact > LONGEST) refuse("too_much");
  const seconds = Math.round(exact);
  const confirm = seconds > CONFIRM_ABOVE || (bare && seconds > CONFIRM_BARE_ABOVE);
  return { seconds, confirm, ...(hint !== undefined && { hint }) };
}

/** `h:mm` or `h:mm:ss`. */
function clock(text: string): number {
  const [hours = "", ...rest] = text.split(":");
  if (rest.length > 2) refuse("clock");
  if (!/^\d{1,5}$/.test(hours) || rest.some((part) => !/^\d\d$/.test(part))) refuse("clock");
  const tooMany = rest.find((part) => Number(part) > 59);
  if (tooMany !== undefined) refuse("clock_minutes", tooMany);
  const [minutes = 0, seconds = 0] = rest.map(Number);
  return Number(hours) * 3600 + minutes * 60 + seconds;
}

/** `9-10:30`: from and to on one day. */
function range(from: string, to: string): Reading {
  const time = (text: string): number => {
    const match = /^(\d{1,2})(?::(\d\d))?$/.exec(text);
    const [hours, minutes] = [Number(match?.[1]), Number(match?.[2] ?? "0")];
    const at = hours * 60 + minutes;
    if (!match || hours > 24 || minutes > 59 || at > 24 * 60) refuse("range", text);
    return at;
  };
  const [start, end] = [time(from), time(to)];
  if (end <= start) refuse("range_order");
  return { seconds: (end - start) * 60, start, confirm: false };
}

/** Numbers with units; a bare tail right after hours is minutes, a lone number is in the site's default unit. */
function units(text: string, site: SiteTime, language: string): Reading {
  let rest = text;
  let seconds = 0;
  const used: Unit[] = [];
  let hint: string | undefined;
  while (rest !== "") {
    const digits = /^[\d.,]*/.exec(rest)?.[0] ?? "";
    const value = number(digits);
    const behind = rest.slice(digits.length).trimStart();
    const word = /^[^\d\s]*/.exec(behind)?.[0] ?? "";
    rest = behind.slice(word.length).trimStart();
    if (word === "") return bare(digits, value, used, seconds, site, hint);
    const unit = unitOf(word.replace(/,+$/, ""), language);
    if (!unit) refuse("unit", word);
    if (used.includes(unit)) refuse("unit_twice", word);
    if (unit === "hour") hint = clockHint(digits);
    used.push(unit);
    seconds += value * secondsOf(unit, site);
  }
  return finish(seconds, false, used.length === 1 ? hint : undefined);
}

function bare(
  digits: string,
  value: number,
  used: Unit[],
  seconds: number,
  site: SiteTime,
  hint: string | undefined,
): Reading {
  const last = used.at(-1);
  if (!last) return finish(value * secondsOf(defaultUnit(site), site), true);
  if (last !== "hour" || !/^\d+$/.test(digits) || used.includes("minute")) refuse("unit_missing", digits);
  if (value > 59) refuse("clock_minutes", digits);
  return finish(seconds + value * 60, false, hint);
}

function unitOf(word: string, language: string): Unit | undefined {
  const own = WORDS[language] ?? WORDS["en"] ?? {};
  return Object.hasOwn(SHORT, word) ? SHORT[word] : Object.hasOwn(own, word) ? own[word] : undefined;
}

function defaultUnit(site: SiteTime): Unit {
  const unit = site.defaultUnit;
  return unit === "week" || unit === "day" || unit === "hour" ? unit : "minute";
}

function secondsOf(unit: Unit, site: SiteTime): number {
  const day = site.workingHoursPerDay * 3600;
  return { week: site.workingDaysPerWeek * day, day, hour: 3600, minute: 60, second: 1 }[unit];
}

/** `1.30h` is 1 h 18 m; some mean 1:30. */
function clockHint(digits: string): string | undefined {
  const match = /^(\d+)\.(\d\d)$/.exec(digits);
  const minutes = Number(match?.[2]);
  return match && minutes < 60 && minutes > 0 && minutes % 10 === 0 ? `${match[1]}:${match[2]}` : undefined;
}

function number(text: string): number {
  if (!/^\d+(?:[.,]\d+)?$/.test(text)) refuse("number", text);
  return Number(text.replace(",", "."));
}

/** Decimal digits of other scripts, and full-width ones, are the same digits. */
function asciiDigit(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const zero = ZEROS.find((zero) => code >= zero && code < zero + 10);
  return zero === undefined ? char : String(code - zero);
}
