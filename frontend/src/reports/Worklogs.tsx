// Worklogs themselves: of details, of overlaps, and behind a number.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "preact/hooks";
import { f, t } from "../text";
import { Icon } from "../ui/icons";
import { nameOf } from "./members";
import type { Line, ReportView, Sort, State } from "./state";
import { Sortable, Spacer } from "./Table";

const ROW_HEIGHT = 34;

interface Props {
  report: ReportView;
  state: Pick<State, "style" | "sort" | "kind">;
  onSort: (sort: Sort | undefined) => void;
  onIssue: (key: string) => void;
  onEnd: () => void;
}

export function Worklogs({ report, state, onSort, onIssue, onEnd }: Props) {
  const lines = report.worklogs ?? [];
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  const inView = virtual.getVirtualItems();
  const last = inView.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= lines.length - 1 && lines.length < report.page.count) onEnd();
  }, [last, lines.length, report.page.count, onEnd]);
  const [before, behind] = [inView[0]?.start ?? 0, virtual.getTotalSize() - (inView.at(-1)?.end ?? 0)];
  const overlaps = state.kind === "overlaps";
  const effective = report.measures.some((measure) => measure.name === "effective") && !overlaps;
  const width = 6 + (effective ? 1 : 0) + (overlaps ? 1 : 0);
  return (
    // A list to scroll takes the focus, so that it can be scrolled without a mouse.
    <div class="scroller" ref={scroller} tabIndex={0} role="region" aria-label={t.reports.worklogsLabel}>
      <table class="report worklogs" aria-rowcount={report.page.count + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <Sortable by="started" sort={state.sort} onSort={onSort} class="">
              {t.reports.started}
            </Sortable>
            <Sortable by="name" sort={state.sort} onSort={onSort} class="">
              {t.reports.dimensions.user}
            </Sortable>
            <th scope="col">{t.reports.dimensions.issue}</th>
            <Sortable by="seconds" sort={state.sort} onSort={onSort} class="number">
              {overlaps ? t.reports.overlap : t.reports.measures.seconds}
            </Sortable>
            {overlaps && (
              <th scope="col" class="number">
                {t.reports.measures.seconds}
              </th>
            )}
            {effective && (
              <Sortable by="effective" sort={state.sort} onSort={onSort} class="number">
                {t.reports.measures.effective}
              </Sortable>
            )}
            <th scope="col">{t.tags.label}</th>
            <th scope="col">{t.panel.comment}</th>
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Spacer height={before} width={width} />}
          {inView.map(({ index }) => {
            const line = lines[index];
            return (
              line && (
                <tr key={line.worklogId} aria-rowindex={index + 2}>
                  <td>{started(line)}</td>
                  <td>
                    {nameOf("user", line.user)}
                    {line.restricted && (
                      <span title={t.panel.restricted}>
                        <Icon name="lock" />
                        <span class="heard">{t.panel.restricted}</span>
                      </span>
                    )}
                  </td>
                  <td class="long" title={nameOf("issue", line.issue)}>
                    <IssueName line={line} onIssue={onIssue} />
                  </td>
                  <td class="number">
                    {f.duration(overlaps ? (line.overlap ?? 0) : line.seconds, state.style)}
                  </td>
                  {overlaps && <td class="number">{f.duration(line.seconds, state.style)}</td>}
                  {effective && <td class="number">{f.duration(line.effective ?? 0, state.style)}</td>}
                  <td>{line.tags.map((tag) => nameOf("tag", tag)).join(", ")}</td>
                  <td class="long" title={line.comment ?? ""}>
                    {line.comment}
                  </td>
                </tr>
              )
            );
          })}
          {behind > 0 && <Spacer height={behind} width={width} />}
        </tbody>
      </table>
    </div>
  );
}

function IssueName({ line, onIssue }: { line: Line; onIssue: (key: string) => void }) {
  const { key, name } = line.issue;
  if (!key) return <span class="subtle">{nameOf("issue", line.issue)}</span>;
  return (
    <>
      <button type="button" class="button link" onClick={() => onIssue(key)}>
        {key}
      </button>{" "}
      {name}
    </>
  );
}

/** By the clock that the report's days are told by: the instant carries its offset. */
function started(line: Line): string {
  const day = f.day(line.day, { dateStyle: "medium" });
  const at = new Date(`${line.started.slice(0, 19)}Z`);
  return `${day}, ${f.instant(at.getTime(), { timeStyle: "short", timeZone: "UTC" })}`;
}
