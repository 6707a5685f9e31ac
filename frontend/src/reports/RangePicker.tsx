import { lazy, Suspense } from "preact/compat";
import { useState } from "preact/hooks";
import { f, t } from "../text";
import { addDays } from "../time/zone";
import { Button, IconButton } from "../ui/Button";
import { Popover } from "../ui/Popover";
import { RELATIVE, type Range, type State } from "./state";

const Calendar = lazy(() => import("./Calendar"));

interface Props {
  state: State;
  /** The days that the last answer was about. */
  days: { first: string; last: string } | undefined;
  onChange: (range: Range) => void;
}

/** Which days: told by today, or picked. The arrows go to the period before and after. */
export function RangePicker({ state, days, onChange }: Props) {
  const { range } = state;
  const name = range.relative
    ? t.reports.relative[range.relative]
    : range.lastDays
      ? t.reports.lastDays(range.lastDays)
      : f.days(range.first ?? "", range.last ?? "");
  return (
    <div class="row tight">
      <IconButton
        icon="left"
        label={t.reports.before}
        disabled={!days}
        onClick={() => days && onChange(shift(days, -1))}
      />
      <Popover label={name} name={t.reports.rangeName(name)} class="range">
        {(close) => (
          <Choices
            state={state}
            days={days}
            onChange={(range) => {
              close();
              onChange(range);
            }}
          />
        )}
      </Popover>
      <IconButton
        icon="right"
        label={t.reports.after}
        disabled={!days}
        onClick={() => days && onChange(shift(days, 1))}
      />
      {days && !range.first && <span class="subtle small">{f.days(days.first, days.last)}</span>}
    </div>
  );
}

function Choices({ state, days, onChange }: Props) {
  const { range } = state;
  const [count, setCount] = useState(String(range.lastDays ?? 30));
  const valid = /^\d{1,5}$/.test(count) && Number(count) >= 1 && Number(count) <= 36_600;
  return (
    <div class="choices">
      <div class="menu" role="group" aria-label={t.reports.relativeRanges}>
        {RELATIVE.map((relative) => (
          <button
            key={relative}
            type="button"
            aria-current={range.relative === relative}
            onClick={() => onChange({ relative })}
          >
            {t.reports.relative[relative]}
          </button>
        ))}
        <form
          class="row tight last-days"
          onSubmit={(event) => {
            event.preventDefault();
            if (valid) onChange({ lastDays: Number(count) });
          }}
        >
          <label class="row tight">
            {t.reports.lastDaysBefore}
            <input
              class="input"
              inputMode="numeric"
              value={count}
              aria-invalid={!valid}
              onInput={(event) => setCount(event.currentTarget.value)}
            />
            {t.reports.lastDaysAfter}
          </label>
          <Button type="submit" disabled={!valid}>
            {t.reports.apply}
          </Button>
        </form>
      </div>
      <Suspense fallback={<div class="skeleton calendar" />}>
        <Calendar
          first={days?.first ?? range.first ?? ""}
          last={days?.last ?? range.last ?? ""}
          weekStart={state.weekStart}
          onPick={(first, last) => onChange({ first, last })}
        />
      </Suspense>
    </div>
  );
}

/** The period before or after one: of whole months whole months, else as many days. */
export function shift({ first, last }: { first: string; last: string }, by: -1 | 1): Range {
  const months = wholeMonths(first, last);
  if (months > 0) {
    return {
      first: addMonths(first, months * by),
      last: addDays(addMonths(addDays(last, 1), months * by), -1),
    };
  }
  const days = (Date.parse(last) - Date.parse(first)) / 86_400_000 + 1;
  return { first: addDays(first, days * by), last: addDays(last, days * by) };
}

/** How many whole months there are from one day to another; 0 if they are no whole ones. */
function wholeMonths(first: string, last: string): number {
  const next = addDays(last, 1);
  if (!first.endsWith("-01") || !next.endsWith("-01")) return 0;
  const number = (day: string) => Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7));
  return number(next) - number(first);
}

/** The same day of another month; only for first days. */
function addMonths(day: string, months: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + months);
  return date.toISOString().slice(0, 10);
}
