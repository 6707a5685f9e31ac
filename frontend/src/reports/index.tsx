// Reports: any question over the worklogs that the person may see.

import "./reports.css";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Schemas, body } from "../api/client";
import type { PageProps } from "../page";
import { f, t } from "../text";
import { firstWeekday } from "../time/zone";
import { Announcer, useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Failure } from "../ui/Failure";
import { Licence, hasExpired } from "../ui/Licence";
import { Message } from "../ui/Message";
import * as address from "./address";
import { Behind, type Target } from "./Behind";
import { Builder } from "./Builder";
import { Chart } from "./Chart";
import { ExportMenu } from "./Export";
import { Filters } from "./Filters";
import { Options } from "./Options";
import { RangePicker } from "./RangePicker";
import { SavedMenu } from "./Saved";
import { Stamp, Warnings } from "./Stamp";
import { type ReportView, type Sort, type State, WEEKDAYS, definitionOf, first, isTable } from "./state";
import { Table } from "./Table";
import { membersOf } from "./tree";
import { useReport } from "./useReport";
import { Worklogs } from "./Worklogs";

export default function Page(props: PageProps) {
  const [begin, setBegin] = useState<State>();
  const [me, setMe] = useState<Schemas["MeView"]>();
  const [failure, setFailure] = useState<unknown>();
  const { api, host } = props;
  const load = useCallback(async () => {
    setFailure(undefined);
    try {
      const [settings, kept, me] = await Promise.all([
        body(api.GET("/api/v1/settings")),
        host.readState(),
        body(api.GET("/api/v1/me")),
      ]);
      const weekStart = settings.weekStart ?? WEEKDAYS[firstWeekday(host.context.locale) - 1] ?? "monday";
      setMe(me);
      setBegin(address.read(kept, first(settings.zone, weekStart)));
    } catch (error) {
      setFailure(error);
    }
  }, [api, host]);
  useEffect(() => void load(), [load]);
  return (
    <Announcer>
      {failure !== undefined ? (
        <main class="reports">
          <h1>{t.reports.title}</h1>
          <Failure error={failure} retry={() => void load()} />
        </main>
      ) : begin && me ? (
        <Reports {...props} begin={begin} me={me} />
      ) : (
        <Waiting />
      )}
    </Announcer>
  );
}

function Reports({ api, host, begin, me }: PageProps & { begin: State; me: Schemas["MeView"] }) {
  const [state, setState] = useState(begin);
  const [behind, setBehind] = useState<Target>();
  const announce = useAnnounce();
  const asked = JSON.stringify(definitionOf(state));
  const definition = useMemo(() => JSON.parse(asked) as ReturnType<typeof definitionOf>, [asked]);
  const { report, failure, busy, progress, again, more } = useReport(api, definition);
  const change = useCallback((change: Partial<State>) => setState((state) => ({ ...state, ...change })), []);
  useEffect(() => host.writeState(address.write(state)), [host, state]);
  useEffect(() => host.onState((text) => setState((state) => address.read(text, state))), [host]);
  const told = useRef<ReportView | undefined>(undefined);
  useEffect(() => {
    if (!report || busy || told.current === report) return;
    told.current = report;
    announce(t.reports.answered(t.worklogs(report.stamp.worklogs)));
  }, [report, busy, announce]);
  const open = useCallback(
    (at: number | undefined, column: number | undefined) => {
      if (!report) return;
      const levels = report.rows.map((row) => row.dimension);
      const members = at === undefined ? [] : membersOf(report.items ?? [], at, levels);
      const member = column === undefined ? undefined : report.columns?.values[column];
      const dimension = report.columns?.dimension;
      setBehind({ members: member && dimension ? [...members, { dimension, member }] : members });
    },
    [report],
  );
  const openIssue = useCallback((key: string) => host.openIssue(key), [host]);
  const onSort = useCallback((sort: Sort | undefined) => change({ sort }), [change]);
  const onEnd = useCallback(() => void more(), [more]);
  // The last answer stays while the next one comes, as long as it is of the same shape.
  const fits = report && report.kind === state.kind;
  return (
    <main class="reports">
      <header class="row">
        <SavedMenu
          state={state}
          api={api}
          host={host}
          isAdmin={me.jiraAdmin}
          maySave={!hasExpired(me.licence)}
          onOpen={setState}
        />
        <ExportMenu api={api} host={host} definition={definition} />
        <Options state={state} onChange={change} />
      </header>
      <Licence licence={me.licence} />
      {me.asksFor.includes("reportRight") && (
        <Message kind="information">
          <p>{t.reports.askRight}</p>
        </Message>
      )}
      <section class="controls" aria-label={t.reports.controls}>
        <div class="row">
          <RangePicker state={state} days={report?.range} onChange={(range) => change({ range })} />
          <Filters state={state} api={api} host={host} onChange={change} />
          {isTable(state.kind) && (
            <div class="row tight last" role="group" aria-label={t.reports.shownAs}>
              {(["table", "chart"] as const).map((view) => (
                <Button key={view} aria-pressed={state.view === view} onClick={() => change({ view })}>
                  {t.reports.views[view]}
                </Button>
              ))}
            </div>
          )}
        </div>
        <Builder state={state} onChange={setState} />
      </section>
      {progress && <Finding done={progress.done} calls={progress.calls} />}
      {failure !== undefined && <Failure error={failure} retry={again} />}
      {!fits && failure === undefined && !progress && <Skeleton />}
      {fits && failure === undefined && (
        <section class={`answer ${busy ? "busy" : ""}`} aria-busy={busy} aria-label={t.reports.answer}>
          <Warnings report={report} />
          {report.page.count === 0 ? (
            <Empty report={report} onRange={() => change({ range: { lastDays: 90 } })} />
          ) : isTable(state.kind) ? (
            state.view === "chart" ? (
              <Chart report={report} style={state.style} />
            ) : (
              <Table
                report={report}
                state={state}
                onSort={onSort}
                onOpen={open}
                onIssue={openIssue}
                onEnd={onEnd}
              />
            )
          ) : (
            <Worklogs report={report} state={state} onSort={onSort} onIssue={openIssue} onEnd={onEnd} />
          )}
          <Stamp report={report} />
        </section>
      )}
      {behind && (
        <Behind
          behind={behind}
          definition={definition}
          style={state.style}
          api={api}
          onIssue={openIssue}
          onClose={() => setBehind(undefined)}
        />
      )}
    </main>
  );
}

/** What is being found out, and how far. */
function Finding({ done, calls }: { done: number; calls: number }) {
  const fraction = calls > 0 ? Math.min(1, done / calls) : 0;
  return (
    <div class="stack finding">
      <p role="status">{t.reports.finding(done, calls)}</p>
      <div
        class="progress busy"
        role="progressbar"
        aria-label={t.reports.findingName}
        aria-valuemin={0}
        aria-valuemax={calls}
        aria-valuenow={done}
      >
        <div style={{ width: `${fraction * 100}%` }} />
      </div>
      <p class="small subtle">{t.reports.findingWhy}</p>
    </div>
  );
}

function Empty({ report, onRange }: { report: ReportView; onRange: () => void }) {
  return (
    <div class="empty">
      <h2>{t.reports.empty.title}</h2>
      <p>{t.reports.empty.text(f.days(report.range.first, report.range.last))}</p>
      <Button onClick={onRange}>{t.reports.empty.action}</Button>
    </div>
  );
}

function Skeleton() {
  return (
    <div class="stack" aria-hidden="true">
      {Array.from({ length: 8 }, (_, at) => (
        <div key={at} class="skeleton" />
      ))}
    </div>
  );
}

function Waiting() {
  return (
    <main class="reports" aria-busy="true">
      <h1 class="heard">{t.reports.title}</h1>
      <p class="heard" role="status">
        {t.loading}
      </p>
      <Skeleton />
    </main>
  );
}
