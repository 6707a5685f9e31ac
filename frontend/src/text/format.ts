// Numbers, durations and dates as a person reads them.

import { aheadOf } from "../time/zone";

/** How durations are shown. */
export type DurationStyle = "units" | "clock" | "decimal";

/** Formats for a language and a zone. */
export class Format {
  private readonly plain: Intl.NumberFormat;
  private readonly hours: Intl.NumberFormat;

  constructor(
    readonly locale: string,
    readonly zone: string,
  ) {
    this.plain = new Intl.NumberFormat(locale);
    this.hours = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  }

  number(value: number): string {
    return this.plain.format(value);
  }

  percent(fraction: number): string {
    return new Intl.NumberFormat(this.locale, { style: "percent" }).format(fraction);
  }

  /** `1h 30m`, `1:30` or `1.50`. Seconds that are left over count as a part of a minute in decimals only. */
  duration(seconds: number, style: DurationStyle = "units"): string {
    if (style === "decimal") return this.hours.format(seconds / 3600);
    const sign = seconds < 0 ? "−" : "";
    const minutes = Math.round(Math.abs(seconds) / 60);
    const [h, m] = [Math.trunc(minutes / 60), minutes % 60];
    if (style === "clock") return `${sign}${this.number(h)}:${String(m).padStart(2, "0")}`;
    if (h === 0) return `${sign}${m}m`;
    return m === 0 ? `${sign}${this.number(h)}h` : `${sign}${this.number(h)}h ${m}m`;
  }

  /** A duration for ears: "1 hour, 30 minutes". */
  spoken(seconds: number): string {
    const minutes = Math.round(seconds / 60);
    const part = (value: number, unit: string) =>
      new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "long" }).format(value);
    const parts = [
      ...(minutes >= 60 ? [part(Math.trunc(minutes / 60), "hour")] : []),
      ...(minutes % 60 || minutes === 0 ? [part(minutes % 60, "minute")] : []),
    ];
    return new Intl.ListFormat(this.locale, { type: "unit", style: "long" }).format(parts);
  }

  /** A calendar day, such as `Mon, 2 Mar 2026`. */
  day(day: string, options: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
    return new Intl.DateTimeFormat(this.locale, { timeZone: "UTC", ...options }).format(
      new Date(`${day}T00:00:00Z`),
    );
  }

  /** The days of a range, what they share said once. */
  days(first: string, last: string): string {
    const format = new Intl.DateTimeFormat(this.locale, { timeZone: "UTC", dateStyle: "medium" });
    return format.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
  }

  /** An instant by the clocks of the person's zone. */
  instant(
    at: string | number,
    options: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" },
  ): string {
    return new Intl.DateTimeFormat(this.locale, { timeZone: this.zone, ...options }).format(new Date(at));
  }

  time(at: string | number): string {
    return this.instant(at, { timeStyle: "short" });
  }

  /** Whether the person's Jira profile has other clocks than this browser at an instant. */
  isElsewhere(at: number = Date.now()): boolean {
    return aheadOf(this.zone, at) !== -new Date(at).getTimezoneOffset();
  }

  list(parts: string[]): string {
    return new Intl.ListFormat(this.locale, { type: "conjunction" }).format(parts);
  }

  bytes(count: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
    const at = Math.min(units.length - 1, count > 0 ? Math.trunc(Math.log10(count) / 3) : 0);
    return new Intl.NumberFormat(this.locale, {
      style: "unit",
      unit: units[at] ?? "byte",
      maximumFractionDigits: 1,
    }).format(count / 1000 ** at);
  }
}
