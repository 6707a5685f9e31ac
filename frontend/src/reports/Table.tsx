// The table of a report: a real table, of which only the rows in view exist. The head, the first column, the totals
// stay in sight; arrows move from cell to cell, Enter opens what is behind a number.

import { useVirtualizer } from "@tanstack/react-virtual";
import { memo } from "preact/compat";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { f, t } from "../text";
import { Button } from "../ui/Button";
import { Icon } from "../ui/icons";
import { headOf, isWeekend, nameOf } from "./members";
import type { Measure, Member, ReportView, RowView, Sort, State } from "./state";
import { type Node, foldedAtFirst, nodesOf, unfolded } from "./tree";

const ROW_HEIGHT = 34;

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
  const columns = useMemo(() => report.columns?.values ?? [], [report]);
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
          class="report"
          role="treegrid"
          aria-label={t.reports.tableLabel}
          aria-rowcount={report.page.count + 2}
          aria-colcount={width}
          onKeyDown={onKeyDown}
        >
          <Head report={report} state={state} onSort={onSort} />
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
                  onPlace={setPlace}
                  onFold={fold}
                  onOpen={onOpen}
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
                dimension={report.columns?.dimension}
                measures={measures}
                style={state.style}
                label={t.reports.total}
                active={place.row === -1 ? place.column : -1}
                onPlace={setPlace}
                onOpen={(column) => onOpen(undefined, column)}
              />
            </tr>
          </tfoot>
        </table>
      </div>
    </>
  );
}

/** Stands for the rows that are not in view. */
export function Spacer({ height, width }: { height: number; width: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={width} style={{ height: `${height}px`, padding: 0, border: 0 }} />
    </tr>
  );
}

function Head({ report, state, onSort }: Pick<Props, "report" | "state" | "onSort">) {
  const { columns } = report;
  const names = report.rows.map((row) => t.reports.dimensions[row.dimension]).join(" › ");
  return (
    <thead>
      <tr aria-rowindex={1}>
        <Sortable by="name" sort={state.sort} onSort={onSort} class="name">
          {names || t.reports.total}
        </Sortable>
        {columns?.values.map((member) => {
          const { short, long } = headOf(columns.dimension, member);
          const weekend = columns.dimension === "day" && isWeekend(member.id ?? "");
          return (
            <th
              key={member.id}
              scope="col"
              role="columnheader"
              class={`number ${weekend ? "weekend" : ""}`}
              title={long}
            >
              <span aria-hidden="true">{short}</span>
              <span class="heard">{weekend ? t.reports.weekend(long) : long}</span>
            </th>
          );
        })}
        {report.measures.map(({ name, additive }) => (
          <Sortable key={name} by={name} sort={state.sort} onSort={onSort} class="number sum">
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
  columns: Member[];
  measures: Measure[];
  style: State["style"];
  isFolded: boolean;
  active: number;
  onPlace: (place: Place) => void;
  onFold: (path: string) => void;
  onOpen: Props["onOpen"];
  onIssue: (key: string) => void;
}

const Row = memo(function Row(props: RowProps) {
  const { node, index, report, isFolded, active, onPlace, onFold, onOpen, onIssue } = props;
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
        onFocus={() => onPlace({ row: index, column: 0 })}
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
        dimension={report.columns?.dimension}
        measures={props.measures}
        style={props.style}
        label={label}
        active={active}
        onPlace={onPlace}
        onOpen={row.restOf ? undefined : (column) => onOpen(node.at, column)}
      />
    </tr>
  );
});

interface NumbersProps {
  row: RowView;
  index: number;
  columns: Member[];
  dimension: NonNullable<ReportView["columns"]>["dimension"] | undefined;
  measures: Measure[];
  style: State["style"];
  label: string;
  active: number;
  onPlace: (place: Place) => void;
  onOpen: ((column: number | undefined) => void) | undefined;
}

/** The numbers of a row: a cell for each column, then its sums. */
function Numbers({
  row,
  index,
  columns,
  dimension,
  measures,
  style,
  label,
  active,
  onPlace,
  onOpen,
}: NumbersProps) {
  const cells = new Map(row.cells ?? []);
  const [main = "seconds"] = measures;
  const show = (measure: Measure, value: number | null | undefined) =>
    value ? measured(measure, value, style) : "";
  return (
    <>
      {columns.map((member, at) => {
        const value = cells.get(at)?.[0];
        const weekend = dimension === "day" && isWeekend(member.id ?? "");
        return (
          <Cell
            key={member.id}
            at={{ row: index, column: at + 1 }}
            active={active === at + 1}
            class={weekend ? "weekend" : ""}
            text={show(main, value)}
            label={value && dimension ? `${label}, ${nameOf(dimension, member)}: ${heard(main, value)}` : ""}
            onPlace={onPlace}
            onOpen={onOpen && (() => onOpen(at))}
          />
        );
      })}
      {measures.map((measure, at) => (
        <Cell
          key={measure}
          at={{ row: index, column: columns.length + 1 + at }}
          active={active === columns.length + 1 + at}
          class="sum"
          text={show(measure, row.values[at])}
          label={
            row.values[at]
              ? `${label}, ${t.reports.measures[measure]}: ${heard(measure, row.values[at])}`
              : ""
          }
          onPlace={onPlace}
          onOpen={onOpen && (() => onOpen(undefined))}
        />
      ))}
    </>
  );
}

interface CellProps {
  at: Place;
  active: boolean;
  class: string;
  text: string;
  label: string;
  onPlace: (place: Place) => void;
  onOpen: (() => void) | undefined;
}

function Cell({ at, active, class: extra, text, label, onPlace, onOpen }: CellProps) {
  const common = {
    "data-cell": `${at.row}/${at.column}`,
    tabIndex: active ? 0 : -1,
    onFocus: () => onPlace(at),
  };
  if (!text || !onOpen) {
    return (
      <td class={`number ${extra}`} role="gridcell" {...common}>
        {text}
      </td>
    );
  }
  return (
    <td class={`number ${extra}`} role="gridcell">
      <button
        type="button"
        class="value"
        aria-label={t.reports.showWorklogs(label)}
        onClick={onOpen}
        {...common}
      >
        {text}
      </button>
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
