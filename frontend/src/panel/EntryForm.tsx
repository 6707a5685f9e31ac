import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { f, t } from "../text";
import type { SiteTime } from "../time/duration";
import { timeAfter } from "../time/zone";
import { Button } from "../ui/Button";
import { type Tag, TagPicker } from "../ui/TagPicker";
import { type Entry, type Estimate, type Readable, isReadable, readEntry } from "./entry";

interface Props {
  entry: Entry;
  onChange: (entry: Entry) => void;
  site: SiteTime;
  tags: Tag[];
  createTag?: ((name: string) => Promise<Tag>) | undefined;
  describe: (error: unknown) => string;
  /** Called with a form in which nothing is wrong. */
  onSubmit: (read: Readable) => void;
  submitLabel: string;
  busy: boolean;
  /** Nothing may be changed, because nobody knows yet what became of it. */
  locked?: boolean;
  /** Kinds of estimate to choose from. */
  estimates: Estimate[];
  /** Stands in for the comment where it is not edited. */
  commentInstead?: ComponentChildren;
  /** What Jira said, above the buttons. */
  said?: ComponentChildren;
  onCancel?: () => void;
  /** The field that work is typed into, for giving it the focus. */
  durationRef?: (element: HTMLInputElement | null) => void;
}

/** The form of a worklog, new or changed: one field and Enter are enough. */
export function EntryForm(props: Props) {
  const { entry, onChange, site, busy, locked = false } = props;
  const id = useId();
  const [tried, setTried] = useState(false);
  const [confirmed, setConfirmed] = useState("");
  const read = readEntry(entry, site);
  const set = (change: Partial<Entry>) => onChange({ ...entry, ...change });
  const isLong = read.reading?.confirm === true;
  const isAsked = isLong && confirmed === entry.duration;
  const submit = () => {
    setTried(true);
    if (busy || locked || !isReadable(read)) {
      const first = Object.keys(read.wrong)[0];
      if (first) document.getElementById(`${id}-${first}`)?.focus();
      return;
    }
    // Long ones are logged at the second Enter.
    if (isLong && !isAsked) {
      setConfirmed(entry.duration);
      return;
    }
    setTried(false);
    props.onSubmit(read);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    }
    if (event.key === "Escape" && props.onCancel) {
      event.stopPropagation();
      props.onCancel();
    }
  };
  return (
    <form
      class="stack entry"
      noValidate
      aria-busy={busy}
      onKeyDown={onKeyDown}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <fieldset class="stack plain" disabled={busy || locked}>
        <div class="field">
          <label for={`${id}-duration`}>{t.panel.timeSpent}</label>
          <input
            id={`${id}-duration`}
            ref={props.durationRef ?? null}
            class="input"
            value={entry.duration}
            placeholder={t.panel.durationExample}
            autocomplete="off"
            spellcheck={false}
            aria-describedby={`${id}-echo`}
            aria-invalid={tried && read.wrong.duration !== undefined}
            onInput={(event) => set({ duration: event.currentTarget.value })}
          />
          <Echo id={`${id}-echo`} entry={entry} site={site} tried={tried} isAsked={isAsked} />
        </div>
        <div class="pair">
          <div class="field">
            <label for={`${id}-day`}>{t.panel.day}</label>
            <input
              id={`${id}-day`}
              class="input"
              type="date"
              value={entry.day}
              aria-describedby={`${id}-when`}
              aria-invalid={read.wrong.day !== undefined}
              onInput={(event) => set({ day: event.currentTarget.value })}
            />
          </div>
          <div class="field">
            <label for={`${id}-time`}>{t.panel.start}</label>
            <input
              id={`${id}-time`}
              class="input"
              type="time"
              value={read.reading?.start === undefined ? entry.time : timeAfter(read.reading.start)}
              disabled={busy || locked || read.reading?.start !== undefined}
              aria-describedby={`${id}-when`}
              aria-invalid={read.wrong.time !== undefined}
              onInput={(event) => set({ time: event.currentTarget.value })}
            />
          </div>
        </div>
        <div class="echo" id={`${id}-when`}>
          {read.wrong.day ?? read.wrong.time ?? when(entry)}
        </div>
        {props.commentInstead ?? (
          <div class="field">
            <label for={`${id}-comment`}>{t.panel.comment}</label>
            <textarea
              id={`${id}-comment`}
              class="input"
              rows={1}
              value={entry.comment}
              placeholder={t.panel.commentPlaceholder}
              onInput={(event) => set({ comment: event.currentTarget.value })}
            />
          </div>
        )}
        <TagPicker
          tags={props.tags}
          chosen={entry.tags}
          onChange={(tags) => set({ tags })}
          create={props.createTag}
          describe={props.describe}
        />
        <details open={entry.estimate !== "auto"}>
          <summary>{t.panel.estimate}</summary>
          <div class="pair">
            <select
              class="input"
              aria-label={t.panel.estimate}
              value={entry.estimate}
              onChange={(event) => set({ estimate: event.currentTarget.value as Estimate })}
            >
              {props.estimates.map((kind) => (
                <option key={kind} value={kind}>
                  {t.panel.estimates[kind]}
                </option>
              ))}
            </select>
            {(entry.estimate === "new" || entry.estimate === "manual") && (
              <input
                id={`${id}-estimateBy`}
                class="input"
                value={entry.estimateBy}
                placeholder={t.panel.estimateExample}
                aria-label={t.panel.estimateBy[entry.estimate]}
                aria-describedby={`${id}-estimate-fault`}
                aria-invalid={tried && read.wrong.estimateBy !== undefined}
                onInput={(event) => set({ estimateBy: event.currentTarget.value })}
              />
            )}
          </div>
          <div class="echo error" id={`${id}-estimate-fault`}>
            {tried && read.wrong.estimateBy}
          </div>
        </details>
      </fieldset>
      {props.said}
      {!locked && (
        <div class="row">
          <Button type="submit" look="primary" disabled={busy}>
            {busy ? t.panel.saving : isAsked ? t.panel.logAnyway : props.submitLabel}
          </Button>
          {props.onCancel && (
            <Button look="bare" disabled={busy} onClick={props.onCancel}>
              {t.cancel}
            </Button>
          )}
        </div>
      )}
    </form>
  );
}

interface EchoProps {
  id: string;
  entry: Entry;
  site: SiteTime;
  tried: boolean;
  isAsked: boolean;
}

/** How the duration is read, as it is typed. */
function Echo({ id, entry, site, tried, isAsked }: EchoProps) {
  const { reading, wrong } = readEntry(entry, site);
  const isError = wrong.duration !== undefined && (tried || entry.duration.trim() !== "");
  return (
    <div id={id} class={`echo ${isError ? "error" : ""} ${reading?.confirm ? "warning" : ""}`} role="status">
      {isError && wrong.duration}
      {reading && !reading.confirm && `= ${f.spoken(reading.seconds)}`}
      {reading?.confirm && (isAsked ? t.panel.confirm : t.panel.long)(f.spoken(reading.seconds))}
      {reading?.hint && `. ${t.panel.hint(reading.hint)}`}
    </div>
  );
}

function when(entry: Entry): string {
  const day = f.day(entry.day, { weekday: "long", day: "numeric", month: "long" });
  return f.isElsewhere() ? t.panel.whenElsewhere(day, f.zone) : day;
}
