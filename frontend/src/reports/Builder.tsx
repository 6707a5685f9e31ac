import { useState } from "preact/hooks";
import { t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { IconButton } from "../ui/Button";
import { MenuItem, Popover } from "../ui/Popover";
import {
  COLUMNS,
  type Dimension,
  KINDS,
  MEASURES,
  MOST_ROWS,
  ROWS,
  type State,
  isTable,
  withKind,
} from "./state";

interface Props {
  state: State;
  onChange: (state: State) => void;
}

/** What the report is made of: its kind, its rows in their order, its columns, what is measured. */
export function Builder({ state, onChange }: Props) {
  const set = (change: Partial<State>) => onChange({ ...state, ...change });
  const tables = isTable(state.kind);
  return (
    <div class="builder">
      <div class="row tight" role="group" aria-label={t.reports.kind}>
        {KINDS.map((kind) => (
          <button
            key={kind}
            type="button"
            class="button"
            aria-pressed={state.kind === kind}
            onClick={() => onChange(withKind(state, kind))}
          >
            {t.reports.kinds[kind]}
          </button>
        ))}
      </div>
      {tables && (
        <div class="row">
          <Rows rows={state.rows} taken={state.columns} onChange={(rows) => set({ rows, sort: undefined })} />
          <div class="row tight">
            <span class="label">{t.reports.columns}</span>
            <Popover
              label={state.columns ? t.reports.dimensions[state.columns] : t.reports.noColumns}
              name={t.reports.columnsName(
                state.columns ? t.reports.dimensions[state.columns] : t.reports.noColumns,
              )}
              menu
            >
              {(close) => (
                <>
                  {[undefined, ...COLUMNS.filter((column) => !state.rows.includes(column))].map((column) => (
                    <MenuItem
                      key={column ?? "none"}
                      checked={state.columns === column}
                      onChoose={() => {
                        close();
                        // Without columns a timesheet or a pivot is a summary.
                        set(column ? { columns: column } : { columns: undefined, kind: "summary" });
                      }}
                    >
                      {column ? t.reports.dimensions[column] : t.reports.noColumns}
                    </MenuItem>
                  ))}
                </>
              )}
            </Popover>
          </div>
        </div>
      )}
      <Measures state={state} onChange={set} />
    </div>
  );
}

interface RowsProps {
  rows: Dimension[];
  taken: Dimension | undefined;
  onChange: (rows: Dimension[]) => void;
}

/** The levels of rows: dragged by mouse, or moved with their buttons. */
function Rows({ rows, taken, onChange }: RowsProps) {
  const announce = useAnnounce();
  const [dragged, setDragged] = useState<Dimension>();
  const move = (row: Dimension, to: number) => {
    const others = rows.filter((other) => other !== row);
    const at = Math.max(0, Math.min(others.length, to));
    onChange([...others.slice(0, at), row, ...others.slice(at)]);
    announce(t.reports.moved(t.reports.dimensions[row], at + 1, rows.length));
  };
  return (
    <div class="row tight">
      <span class="label" id="rows">
        {t.reports.rows}
      </span>
      <ol class="row tight" aria-labelledby="rows">
        {rows.map((row, at) => {
          const name = t.reports.dimensions[row];
          return (
            <li
              key={row}
              class={`chip level ${dragged === row ? "dragged" : ""}`}
              draggable
              onDragStart={(event) => {
                event.dataTransfer?.setData("text/plain", row);
                setDragged(row);
              }}
              onDragEnd={() => setDragged(undefined)}
              onDragOver={(event) => dragged && event.preventDefault()}
              onDrop={(event) => {
                event.preventDefault();
                if (dragged && dragged !== row) move(dragged, at);
                setDragged(undefined);
              }}
            >
              <IconButton
                icon="left"
                label={t.reports.moveOut(name)}
                disabled={at === 0}
                onClick={() => move(row, at - 1)}
              />
              {name}
              <IconButton
                icon="right"
                label={t.reports.moveIn(name)}
                disabled={at === rows.length - 1}
                onClick={() => move(row, at + 1)}
              />
              <IconButton
                icon="close"
                label={t.tags.remove(name)}
                onClick={() => onChange(rows.filter((other) => other !== row))}
              />
            </li>
          );
        })}
      </ol>
      {rows.length < MOST_ROWS && (
        <Popover label={t.reports.addRow} menu look="bare">
          {(close) =>
            ROWS.filter((row) => !rows.includes(row) && row !== taken).map((row) => (
              <MenuItem
                key={row}
                onChoose={() => {
                  close();
                  onChange([...rows, row]);
                }}
              >
                {t.reports.dimensions[row]}
              </MenuItem>
            ))
          }
        </Popover>
      )}
    </div>
  );
}

function Measures({ state, onChange }: { state: State; onChange: (change: Partial<State>) => void }) {
  const offered = isTable(state.kind) ? MEASURES : state.kind === "details" ? MEASURES.slice(0, 2) : [];
  if (offered.length === 0) return null;
  const toggle = (measure: State["measures"][number]) => {
    const chosen = state.measures.includes(measure)
      ? state.measures.filter((other) => other !== measure)
      : MEASURES.filter((other) => other === measure || state.measures.includes(other));
    if (chosen.length === 0) return;
    const sorted = state.sort && (chosen as string[]).concat("name", "started").includes(state.sort.by);
    onChange({ measures: chosen, ...(!sorted && { sort: undefined }) });
  };
  return (
    <div class="row tight" role="group" aria-label={t.reports.measured}>
      <span class="label">{t.reports.measured}</span>
      {offered.map((measure) => (
        <label key={measure} class="row tight check" title={t.reports.measureHelp[measure]}>
          <input
            type="checkbox"
            checked={state.measures.includes(measure)}
            onChange={() => toggle(measure)}
          />
          {t.reports.measures[measure]}
        </label>
      ))}
    </div>
  );
}
