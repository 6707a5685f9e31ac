// The table of a report: a real table, of which only the rows in view exist. The head, the first column, the totals
// stay in sight; arrows move from cell to cell, Enter opens what is behind a number.

import { useVirtualizer } from "@tanstack/react-virtual";
import { memo } from "preact/compat";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { f, t } from "../text";
import { Button } from "../ui/Button";
import { Icon } from "../ui/icons";
import { headOf, isWeekend, nameOf } from "./members";
import type { Measure, ReportView, RowView, Sort, State } from "./state";
import { type Node, foldedAtFirst, nodesOf, unfolded } from "./tree";

const ROW_HEIGHT = 34;
// Told beforehand, so that a browser does not measure every cell whenever a row comes or goes.
const NAME_WIDTH = 200;
const DAY_WIDTH = 84;
const CELL_WIDTH = 104;
const SUM_WIDTH = 116;

/** A column, named once for all of its cells. */
interface Column {
  id: string;
  short: string;
  name: string;
  weekend: boolean;
}

function columnsOf({ columns }: ReportView): Column[] {
  return (columns?.values ?? []).map((member) => {
    const id = member.id ?? member.state ?? "";
    const { short, long } = headOf(columns?.dimension ?? "day", member);
    return { id, short, name: long, weekend: columns?.dimension === "day" && isWeekend(id) };
  });
}

interface Props {
  report: ReportView;
  state: State;
  onSort: (sort: Sort | undefined) => void;
  /** Opens the worklogs behind a number; without a row those of all, without a column those of the row. */
  onOpen: (at: number | undefined, column: number | undefined) => void;
  onIssue: (key: string) => void;
  onEnd: () => void;
}

/** The cell that has the focus: row among those in sight (-1 is the total), column (0 is the name). */
interface Place {
  row: number;
  column: number;
}

export function Table({ report, state, onSort, onOpen, onIssue, onEnd }: Props) {
  const items = useMemo(() => report.items ?? [], [report]);
  const nodes = useMemo(() => nodesOf(items), [items]);
  const levels = useMemo(() => report.rows.map((row) => row.dimension), [report]);
  const shape = levels.join();
  const [folded, setFolded] = useState<ReadonlySet<string>>(() => foldedAtFirst(nodes));
  const known = useRef(shape);
  useEffect(() => {
    // Another shape folds anew; the same one with other numbers stays as somebody left it.
    if (known.current === shape) return;
    known.current = shape;
    setFolded(foldedAtFirst(nodes));
  }, [shape, nodes]);
  const shown = useMemo(() => unfolded(nodes, folded), [nodes, folded]);
  const columns = useMemo(() => columnsOf(report), [report]);
  const measures = useMemo(() => report.measures.map((measure) => measure.name), [report]);
  const scroller = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<Place>({ row: 0, column: 0 });
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
  });
  const inView = virtual.getVirtualItems();
  const last = inView.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= shown.length - 1 && nodes.length < report.page.count) onEnd();
  }, [last, shown.length, nodes.length, report.page.count, onEnd]);
  const fold = useCallback(
    (path: string, open?: boolean) =>
      setFolded((folded) => {
        const next = new Set(folded);
        if (open ?? folded.has(path)) next.delete(path);
        else next.add(path);
        return next;
      }),
    [],
  );
  const width = 1 + columns.length + measures.length;
  const cellWidth = report.columns?.dimension === "day" ? DAY_WIDTH : CELL_WIDTH;
  const moved = useRef(false);
  const move = (to: Place) => {
    const row = Math.max(-1, Math.min(shown.length - 1, to.row));
    moved.current = true;
    if (row >= 0) virtual.scrollToIndex(row);
    setPlace({ row, column: Math.max(0, Math.min(width - 1, to.column)) });
  };
  useLayoutEffect(() => {
    if (!moved.current) return;
    const cell = scroller.current?.querySelector<HTMLElement>(`[data-cell="${place.row}/${place.column}"]`);
    if (!cell) return;
    moved.current = false;
    cell.focus({ preventScroll: place.column === 0 });
  });
  const onKeyDown = (event: KeyboardEvent) => {
    const node = shown[place.row];
    const onName = place.column === 0;
    const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (node?.hasChildren && onName && event.key === "ArrowRight" && folded.has(node.path))
      fold(node.path, true);
    else if (node?.hasChildren && onName && event.key === "ArrowLeft" && !folded.has(node.path))
      fold(node.path, false);
    else if (step) move({ row: place.row + (step[0] ?? 0), column: place.column + (step[1] ?? 0) });
    else if (event.key === "Home") move({ row: event.ctrlKey ? 0 : place.row, column: 0 });
    else if (event.key === "End")
      move({ row: event.ctrlKey ? shown.length - 1 : place.row, column: width - 1 });
    else if (event.key === "PageDown") move({ row: place.row + 15, column: place.column });
    else if (event.key === "PageUp") move({ row: Math.max(0, place.row - 15), column: place.column });
    else if (event.key === "Enter" && onName && node?.hasChildren) fold(node.path);
    else return;
    event.preventDefault();
  };
  const [before, behind] = [inView[0]?.start ?? 0, virtual.getTotalSize() - (inView.at(-1)?.end ?? 0)];
  const tools = report.rows.length > 1 && (
    <div class="row small">
      <Button look="link" onClick={() => setFolded(new Set())}>
        {t.reports.unfoldAll}
      </Button>
      <Button
        look="link"
        onClick={() => setFolded(new Set(nodes.filter((node) => node.hasChildren).map((node) => node.path)))}
      >
        {t.reports.foldAll}
      </Button>
    </div>
  );
  return (
    <>
      {tools}
      <div class="scroller" ref={scroller} tabIndex={-1}>
        <table
          class={levels.length > 1 ? "report nested" : "report"}
          role="treegrid"
          aria-label={t.reports.tableLabel}
          aria-rowcount={report.page.count + 2}
          aria-colcount={width}
          style={{ minWidth: `${NAME_WIDTH + cellWidth * columns.length + SUM_WIDTH * measures.length}px` }}
          onKeyDown={onKeyDown}
          onFocusCapture={(event) => {
            const at = placeOf(event.target);
            if (at) setPlace(at);
          }}
          onClick={(event) => {
            const isNumber = event.target instanceof Element && event.target.closest("button.value");
            const at = isNumber ? placeOf(event.target) : undefined;
            if (!at) return;
            const column = at.column <= columns.length ? at.column - 1 : undefined;
            onOpen(at.row === -1 ? undefined : shown[at.row]?.at, column);
          }}
        >
          <colgroup>
            <col class="of-name" />
            {columns.map(({ id }) => (
              <col key={id} style={{ width: `${cellWidth}px` }} />
            ))}
            {measures.map((measure) => (
              <col key={measure} class="of-sum" />
            ))}
          </colgroup>
          <Head report={report} columns={columns} state={state} onSort={onSort} />
          <tbody>
            {before > 0 && <Spacer height={before} width={width} />}
            {inView.map(({ index }) => {
              const node = shown[index];
              if (!node) return null;
              return (
                <Row
                  key={node.path}
                  node={node}
                  index={index}
                  report={report}
                  columns={columns}
                  measures={measures}
                  style={state.style}
                  isFolded={folded.has(node.path)}
                  active={place.row === index ? place.column : -1}
                  onFold={fold}
                  onIssue={onIssue}
                />
              );
            })}
            {behind > 0 && <Spacer height={behind} width={width} />}
          </tbody>
          <tfoot>
            <tr aria-rowindex={report.page.count + 2}>
              <th scope="row" role="rowheader" class="name">
                {t.reports.total}
              </th>
              <Numbers
                row={report.total}
                index={-1}
                columns={columns}
                measures={measures}
                style={state.style}
                label={t.reports.total}
                active={place.row === -1 ? place.column : -1}
              />
            </tr>
          </tfoot>
        </table>
      </div>
    </>
  );
}

/** The cell that an event is about. */
function placeOf(target: EventTarget | null): Place | undefined {
  const cell = target instanceof Element ? target.closest<HTMLElement>("[data-cell]") : null;
  const [row, column] = (cell?.dataset["cell"] ?? "").split("/").map(Number);
  return row === undefined || column === undefined ? undefined : { row, column };
}

/** Stands for the rows that are not in view. */
export function Spacer({ height, width }: { height: number; width: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={width} style={{ height: `${height}px`, padding: 0, border: 0 }} />
    </tr>
  );
}

function Head({
  report,
  columns,
  state,
  onSort,
}: Pick<Props, "report" | "state" | "onSort"> & { columns: Column[] }) {
  const names = report.rows.map((row) => t.reports.dimensions[row.dimension]).join(" › ");
  return (
    <thead>
      <tr aria-rowindex={1}>
        <Sortable by="name" sort={state.sort} onSort={onSort} class="name">
          {names || t.reports.total}
        </Sortable>
        {columns.map(({ id, short, name, weekend }) => (
          <th
            key={id}
            scope="col"
            role="columnheader"
            class={`number ${weekend ? "weekend" : ""}`}
            title={name}
          >
            <span aria-hidden="true">{short}</span>
            <span class="heard">{weekend ? t.reports.weekend(name) : name}</span>
          </th>
        ))}
        {report.measures.map(({ name, additive }, at) => (
          <Sortable
            key={name}
            by={name}
            sort={state.sort}
            onSort={onSort}
            class={`number sum ${at === report.measures.length - 1 ? "last" : ""}`}
          >
            <span title={additive ? "" : t.reports.notAdditive}>{t.reports.measures[name]}</span>
          </Sortable>
        ))}
      </tr>
    </thead>
  );
}

interface SortableProps {
  by: Sort["by"];
  sort: Sort | undefined;
  onSort: (sort: Sort | undefined) => void;
  class: string;
  children: preact.ComponentChildren;
}

/** A head that sorts: first the natural way, then the other, then as it was. */
export function Sortable({ by, sort, onSort, class: extra, children }: SortableProps) {
  const isText = by === "name" || by === "started";
  const own = sort?.by === by ? sort : undefined;
  const next = own
    ? Boolean(own.descending) !== isText
      ? { by, descending: isText }
      : undefined
    : { by, descending: !isText };
  return (
    <th
      scope="col"
      role="columnheader"
      class={extra}
      aria-sort={own ? (own.descending ? "descending" : "ascending") : "none"}
    >
      <button type="button" class="sorter" onClick={() => onSort(next)}>
        {children}
        {own && <Icon name={own.descending ? "sortDown" : "up"} />}
      </button>
    </th>
  );
}

interface RowProps {
  node: Node;
  index: number;
  report: ReportView;
  columns: Column[];
  measures: Measure[];
  style: State["style"];
  isFolded: boolean;
  active: number;
  onFold: (path: string) => void;
  onIssue: (key: string) => void;
}

const Row = memo(function Row(props: RowProps) {
  const { node, index, report, isFolded, active, onFold, onIssue } = props;
  const { row } = node;
  const dimension = report.rows[row.depth - 1]?.dimension;
  const label = row.restOf ? t.reports.rest(row.restOf) : dimension ? nameOf(dimension, row.value) : "";
  const issueKey = dimension === "issue" ? row.value?.key : undefined;
  return (
    <tr
      aria-level={row.depth}
      aria-rowindex={index + 2}
      {...(node.hasChildren && { "aria-expanded": !isFolded })}
      class={`depth-${row.depth}`}
    >
      <th
        scope="row"
        role="rowheader"
        class="name"
        data-cell={`${index}/0`}
        tabIndex={active === 0 ? 0 : -1}
        title={label}
      >
        <span class="indent" style={{ paddingLeft: `${(row.depth - 1) * 16}px` }}>
          {node.hasChildren ? (
            <button
              type="button"
              class="button icon"
              tabIndex={-1}
              aria-label={isFolded ? t.reports.unfold(label) : t.reports.fold(label)}
              onClick={() => onFold(node.path)}
            >
              <Icon name={isFolded ? "right" : "down"} />
            </button>
          ) : (
            <span class="leaf" />
          )}
          {issueKey ? (
            <span class="text">
              <button type="button" class="button link" tabIndex={-1} onClick={() => onIssue(issueKey)}>
                {issueKey}
              </button>{" "}
              {row.value?.name}
            </span>
          ) : (
            <span class={`text ${row.value?.state ? "subtle" : ""}`}>{label}</span>
          )}
        </span>
      </th>
      <Numbers
        row={row}
        index={index}
        columns={props.columns}
        measures={props.measures}
        style={props.style}
        label={label}
        active={active}
      />
    </tr>
  );
});

interface NumbersProps {
  row: RowView;
  index: number;
  columns: Column[];
  measures: Measure[];
  style: State["style"];
  label: string;
  active: number;
}

/** The numbers of a row: a cell for each column, then its sums. */
function Numbers({ row, index, columns, measures, style, label, active }: NumbersProps) {
  const values = new Map(row.cells ?? []);
  const [main = "seconds"] = measures;
  const opens = !row.restOf;
  const one = (at: number, look: string, measure: Measure, name: string, value: number | null | undefined) =>
    cell(
      `${index}/${at}`,
      active === at,
      look,
      value ? measured(measure, value, style) : "",
      // What a number is about is said where somebody is; elsewhere the heads of row and column say it.
      value && active === at
        ? t.reports.showWorklogs(`${label}, ${name}: ${heard(measure, value)}`)
        : undefined,
      opens,
    );
  return (
    <>
      {columns.map(({ name, weekend }, at) =>
        one(at + 1, weekend ? "weekend" : "", main, name, values.get(at)?.[0]),
      )}
      {measures.map((measure, at) =>
        one(
          columns.length + 1 + at,
          at === measures.length - 1 ? "sum last" : "sum",
          measure,
          t.reports.measures[measure],
          row.values[at],
        ),
      )}
    </>
  );
}

/** A cell. Thousands of them come and go as the table scrolls, so the table listens for all of them. */
function cell(
  at: string,
  active: boolean,
  look: string,
  text: string,
  label: string | undefined,
  opens: boolean,
) {
  const stop = active ? 0 : -1;
  return text && opens ? (
    <td key={at} class={`number ${look}`} role="gridcell">
      <button type="button" class="value" data-cell={at} tabIndex={stop} aria-label={label}>
        {text}
      </button>
    </td>
  ) : (
    <td key={at} class={`number ${look}`} role="gridcell" data-cell={at} tabIndex={stop}>
      {text}
    </td>
  );
}

/** A measure as it is written. */
export function measured(measure: Measure, value: number, style: State["style"]): string {
  return measure === "seconds" || measure === "effective" ? f.duration(value, style) : f.number(value);
}

/** A measure as it is said. */
export function heard(measure: Measure, value: number): string {
  return measure === "seconds" || measure === "effective" ? f.spoken(value) : f.number(value);
}
