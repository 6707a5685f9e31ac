import { useState } from "preact/hooks";
import { f, t } from "../text";
import { Button } from "../ui/Button";
import { Popover } from "../ui/Popover";
import { type State, isTable } from "./state";

interface Props {
  state: State;
  onChange: (change: Partial<State>) => void;
}

const STYLES: State["style"][] = ["units", "clock", "decimal"];
const OFFERED: State["weekStart"][] = ["monday", "saturday", "sunday"];

/** What is chosen once rather than each time: clocks, weeks, how numbers look, how many groups. */
export function Options({ state, onChange }: Props) {
  return (
    <Popover label={t.options.label} look="bare" name={t.options.label}>
      {() => (
        <div class="stack options-sheet">
          <label class="field">
            <span class="label">{t.options.zone}</span>
            <select
              class="input"
              value={state.zone}
              onChange={(event) => onChange({ zone: event.currentTarget.value })}
            >
              <option value="viewer">{t.options.viewer(f.zone)}</option>
              <option value="author">{t.options.author}</option>
              <option value="UTC">UTC</option>
              {!["viewer", "author", "UTC"].includes(state.zone) && (
                <option value={state.zone}>{state.zone}</option>
              )}
            </select>
          </label>
          <label class="field">
            <span class="label">{t.options.weekStart}</span>
            <select
              class="input"
              value={state.weekStart}
              onChange={(event) => onChange({ weekStart: event.currentTarget.value as State["weekStart"] })}
            >
              {[...new Set([...OFFERED, state.weekStart])].map((day) => (
                <option key={day} value={day}>
                  {t.options.weekdays[day]}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span class="label">{t.options.style}</span>
            <select
              class="input"
              value={state.style}
              onChange={(event) => onChange({ style: event.currentTarget.value as State["style"] })}
            >
              {STYLES.map((style) => (
                <option key={style} value={style}>
                  {f.duration(5400, style)}
                </option>
              ))}
            </select>
          </label>
          {isTable(state.kind) && <Top state={state} onChange={onChange} />}
        </div>
      )}
    </Popover>
  );
}

function Top({ state, onChange }: Props) {
  const [text, setText] = useState(state.top === undefined ? "" : String(state.top));
  const valid = text === "" || (/^\d{1,6}$/.test(text) && Number(text) > 0);
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) onChange({ top: text === "" ? undefined : Number(text) });
      }}
    >
      <label class="label" for="top">
        {t.options.top}
      </label>
      <div class="row tight">
        <input
          id="top"
          class="input"
          inputMode="numeric"
          placeholder={t.options.all}
          value={text}
          aria-invalid={!valid}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <Button type="submit" disabled={!valid}>
          {t.reports.apply}
        </Button>
      </div>
    </form>
  );
}
