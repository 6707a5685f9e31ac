// Numbers, durations and dates as a person reads them.

import { aheadOf } from "../time/zone";

/** How durations are shown. */
export type DurationStyle = "units" | "clock" | "decimal";

/** Formats for a language and a zone. Browsers take long to make a format, so each is made once. */
export class Format {
  private readonly numbers = new Map<string, Intl.NumberFormat>();
  private readonly dates = new Map<string, Intl.DateTimeFormat>();
  private readonly units: Intl.ListFormat;
  private readonly plain: Intl.NumberFormat;

  constructor(
    readonly locale: string,
    readonly zone: string,
  ) {
    this.plain = new Intl.NumberFormat(locale);
    this.units = new Intl.ListFormat(locale, { type: "unit", style: "long" });
  }

  private numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
    return kept(this.numbers, JSON.stringify(options), () => new Intl.NumberFormat(this.locale, options));
  }

  private dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    return kept(this.dates, JSON.stringify(options), () => new Intl.DateTimeFormat(this.locale, options));
  }

  number(value: number): string {
    return this.plain.format(value);
  }

  percent(fraction: number): string {
    return this.numberFormat({ style: "percent" }).format(fraction);
  }

  /** `1h 30m`, `1:30` or `1.50`. Seconds that are left over count as a part of a minute in decimals only. */
  duration(seconds: number, style: DurationStyle = "units"): string {
    if (style === "decimal") {
      return this.numberFormat({ minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(seconds / 3600);
    }
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
      this.numberFormat({ style: "unit", unit, unitDisplay: "long" }).format(value);
    const parts = [
      ...(minutes >= 60 ? [part(Math.trunc(minutes / 60), "hour")] : []),
      ...(minutes % 60 || minutes === 0 ? [part(minutes % 60, "minute")] : []),
    ];
    return this.units.format(parts);
  }

  /** A calendar day, such as `Mon, 2 Mar 2026`. */
  day(day: string, options: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
    return this.dateFormat({ timeZone: "UTC", ...options }).format(new Date(`${day}T00:00:00Z`));
  }

  /** The days of a range, what they share said once. */
  days(first: string, last: string): string {
    const format = this.dateFormat({ timeZone: "UTC", dateStyle: "medium" });
    return format.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
  }

  /** An instant by the clocks of the person's zone. */
  instant(
    at: string | number,
    options: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" },
  ): string {
    return this.dateFormat({ timeZone: this.zone, ...options }).format(new Date(at));
  }

  time(at: string | number): string {
    return this.instant(at, { timeStyle: "short" });
  }

  /** Whether the person's Jira profile has other clocks than this browser at an instant. */
  isElsewhere(at: number = Date.now()): boolean {
    return aheadOf(this.zone, at) !== -new Date(at).getTimezoneOffset();
  }

  bytes(count: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
    const at = Math.min(units.length - 1, count > 0 ? Math.trunc(Math.log10(count) / 3) : 0);
    return this.numberFormat({ style: "unit", unit: units[at] ?? "byte", maximumFractionDigits: 1 }).format(
      count / 1000 ** at,
    );
  }
}

function kept<T>(all: Map<string, T>, key: string, make: () => T): T {
  const known = all.get(key);
  if (known) return known;
  const made = make();
  all.set(key, made);
  return made;
}
