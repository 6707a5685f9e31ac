// Days and clocks of a zone. Instants are milliseconds since 1970 or RFC 3339; days are `2026-03-02`, times `09:00`.

const clocks = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone show; browsers take long to make one, so each is made once. */
function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  const clock = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  clocks.set(zone, clock);
  return clock;
}

/** How far a zone's clocks are ahead of UTC at an instant, minutes. */
export function aheadOf(zone: string, instant: number): number {
  const parts = clockOf(zone).formatToParts(instant);
  const part = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"));
  return Math.round((local - instant) / 60_000);
}

/** The instant at which the clocks of a zone show a day and a time, ms; the earlier one if they show it twice. */
export function instantOf(day: string, time: string, zone: string): number {
  const asUtc = Date.parse(`${day}T${time}:00Z`);
  const shows = (instant: number) => instant + aheadOf(zone, instant) * 60_000 === asUtc;
  // Clocks change by some hours at most: one of the offsets before and after holds.
  const candidates = [asUtc - 86_400_000, asUtc + 86_400_000].map(
    (near) => asUtc - aheadOf(zone, near) * 60_000,
  );
  // A time that is left out when clocks go forward is read by the clocks from before.
  return candidates.find(shows) ?? candidates[0] ?? asUtc;
}

/** Day and time that the clocks of a zone show. */
export function localOf(instant: number, zone: string): { day: string; time: string } {
  const text = new Date(instant + aheadOf(zone, instant) * 60_000).toISOString();
  return { day: text.slice(0, 10), time: text.slice(11, 16) };
}

/** The day that is today in a zone. */
export function today(zone: string): string {
  return localOf(Date.now(), zone).day;
}

/** The day so many days later. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

const two = (value: number) => String(value).padStart(2, "0");

/** The time so many minutes after midnight. */
export function timeAfter(minutes: number): string {
  return `${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

/** An instant with the offset of its zone, as the server takes it. */
export function withOffset(instant: number, zone: string): string {
  const ahead = aheadOf(zone, instant);
  const local = new Date(instant + ahead * 60_000).toISOString().slice(0, 19);
  const [sign, minutes] = ahead < 0 ? ["-", -ahead] : ["+", ahead];
  return `${local}${sign}${timeAfter(minutes)}`;
}

/** Whether a text is a day that the calendar has. */
export function isDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** The first day of the week where a language is spoken: 1 is Monday, 7 is Sunday. */
export function firstWeekday(locale: string): number {
  const about = new Intl.Locale(locale) as Intl.Locale & {
    weekInfo?: { firstDay: number };
    getWeekInfo?: () => { firstDay: number };
  };
  return (about.getWeekInfo?.() ?? about.weekInfo)?.firstDay ?? 1;
}
