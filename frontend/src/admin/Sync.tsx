import { useCallback, useEffect, useState } from "preact/hooks";
import { type Schemas, body } from "../api/client";
import type { PageProps } from "../page";
import { f, t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Failure, reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { useLoaded } from "../ui/useLoaded";
import { Waiting } from "./Waiting";

type SyncView = Schemas["SyncView"];
type Kind = "incremental" | "full" | "reconcile" | "recheck";

const BUSY_MS = 1500;
const IDLE_MS = 15_000;

/** Where the sync stands, and what can be done about it. */
export function Sync({ api, host }: PageProps) {
  const load = useCallback(() => body(api.GET("/api/v1/sync")), [api]);
  const { value: sync, failure, reload } = useLoaded(load);
  const loadFailures = useCallback(() => body(api.GET("/api/v1/sync/failures")), [api]);
  const failures = useLoaded(loadFailures);
  const [asking, setAsking] = useState<Kind>();
  const [error, setError] = useState<unknown>();
  const announce = useAnnounce();
  const busy = sync?.progress !== null && sync?.progress !== undefined;
  const state = sync?.state;
  useEffect(() => {
    const timer = setInterval(() => void reload(), busy ? BUSY_MS : IDLE_MS);
    return () => clearInterval(timer);
  }, [busy, reload]);
  useEffect(() => {
    if (state) announce(t.admin.sync.states[state] ?? state);
  }, [state, announce]);
  if (!sync)
    return failure === undefined ? <Waiting /> : <Failure error={failure} retry={() => void reload()} />;
  const start = async (kind: Kind) => {
    setError(undefined);
    setAsking(undefined);
    try {
      await body(api.POST("/api/v1/sync", { body: { kind } }));
      announce(t.admin.sync.started);
      await Promise.all([reload(), failures.reload()]);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <div class="stack">
      {failure !== undefined && <Failure error={failure} retry={() => void reload()} />}
      <State sync={sync} />
      <Numbers sync={sync} />
      <section class="stack">
        <h2>{t.admin.sync.act}</h2>
        <div class="row">
          <Button look="primary" onClick={() => void start("incremental")}>
            {t.admin.sync.kinds.incremental}
          </Button>
          <Button onClick={() => setAsking("reconcile")}>{t.admin.sync.kinds.reconcile}…</Button>
          <Button onClick={() => setAsking("full")}>{t.admin.sync.kinds.full}…</Button>
        </div>
        <p class="small subtle">
          {t.admin.sync.quota(
            f.number(sync.quota.used),
            f.number(sync.quota.pointsPerHour),
            f.number(sync.quota.usedByAll),
          )}
        </p>
        {error !== undefined && (
          <Message kind="error" title={t.errors.title}>
            <p>{reason(error)}</p>
          </Message>
        )}
      </section>
      <Failures
        host={host}
        failures={failures.value}
        unreadable={sync.unreadable}
        onRetry={() => void start("recheck")}
      />
      <Runs runs={sync.runs} />
      {(asking === "full" || asking === "reconcile") && (
        <Dialog title={t.admin.sync.kinds[asking]} onClose={() => setAsking(undefined)}>
          <p>{t.admin.sync.explain[asking]}</p>
          {sync.costs && <p>{cost(sync.costs[asking])}</p>}
          <footer>
            <Button look="bare" onClick={() => setAsking(undefined)}>
              {t.cancel}
            </Button>
            <Button look="primary" onClick={() => void start(asking)}>
              {t.admin.sync.start}
            </Button>
          </footer>
        </Dialog>
      )}
    </div>
  );
}

function cost(cost: Schemas["Cost"]): string {
  return t.admin.sync.cost(f.number(cost.calls), f.number(cost.pointsCertain), f.number(cost.pointsWorst));
}

function State({ sync }: { sync: SyncView }) {
  const { progress } = sync;
  const kind =
    { idle: "success", failed: "error", paused: "warning", suspended: "error" }[sync.state] ?? "information";
  return (
    <section class="stack">
      <div class="row">
        <span class={`lozenge ${kind}`}>{t.admin.sync.states[sync.state] ?? sync.state}</span>
        <span>
          {sync.inStepAsOf
            ? t.admin.sync.inStep(f.instant(sync.inStepAsOf, { dateStyle: "medium", timeStyle: "medium" }))
            : t.stamp.never}
        </span>
      </div>
      {sync.reason && (
        <Message kind={sync.state === "failed" || sync.state === "suspended" ? "error" : "warning"}>
          <p>{sync.reason}</p>
        </Message>
      )}
      {progress && (
        <div class="stack">
          <div
            class="progress busy"
            role="progressbar"
            aria-label={t.admin.sync.runs[progress.kind] ?? progress.kind}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(progress.fraction * 100)}
          >
            <div style={{ width: `${progress.fraction * 100}%` }} />
          </div>
          <p class="small">
            {t.admin.sync.progress(
              t.admin.sync.runs[progress.kind] ?? progress.kind,
              f.percent(progress.fraction),
              t.worklogs(progress.written),
            )}{" "}
            {progress.waitsUntil
              ? t.admin.sync.waits(f.time(progress.waitsUntil))
              : progress.expectedEnd && t.admin.sync.expected(f.time(progress.expectedEnd))}
          </p>
        </div>
      )}
    </section>
  );
}

function Numbers({ sync }: { sync: SyncView }) {
  const { compared } = sync;
  const same = compared && compared.jira === compared.copy;
  const entries: [string, string, string?][] = [
    [t.admin.sync.copy, f.number(sync.worklogs)],
    [
      t.admin.sync.jira,
      compared ? f.number(compared.jira) : t.admin.sync.notCounted,
      compared
        ? same
          ? t.admin.sync.same(f.instant(compared.at))
          : t.admin.sync.differs(f.instant(compared.at), f.number(compared.copy))
        : t.admin.sync.whenCounted,
    ],
    [t.admin.sync.pending, f.number(sync.pending)],
    [
      t.admin.sync.lag,
      sync.lagSeconds === null || sync.lagSeconds === undefined
        ? "–"
        : f.spoken(Math.max(60, sync.lagSeconds)),
      t.admin.sync.lagWhy,
    ],
    [t.admin.sync.lastSuccess, sync.lastSuccess ? f.instant(sync.lastSuccess) : "–"],
    [t.admin.sync.unreadable, f.number(sync.unreadable ?? 0), t.admin.sync.unreadableWhy],
    [t.admin.sync.restricted, f.number(sync.restricted ?? 0), t.admin.sync.restrictedWhy],
    [
      t.admin.sync.backup,
      sync.lastBackup ? f.instant(sync.lastBackup) : t.admin.sync.noBackup,
      sync.lastDrill ? t.admin.sync.drilled(f.instant(sync.lastDrill)) : t.admin.sync.notDrilled,
    ],
  ];
  return (
    <dl class="figures">
      {entries.map(([name, value, more]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          {more && <dd class="small subtle">{more}</dd>}
        </div>
      ))}
    </dl>
  );
}

interface FailuresProps {
  host: PageProps["host"];
  failures: Schemas["FailuresView"] | undefined;
  unreadable: number | null | undefined;
  onRetry: () => void;
}

/** What Jira does not return, by work item. */
function Failures({ host, failures, unreadable, onRetry }: FailuresProps) {
  const [keys, setKeys] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    // What this admin may see has a key for them; the rest has its id.
    for (const { issueId } of failures?.issues.slice(0, 20) ?? []) {
      void host
        .jira<{ key: string }>(`/rest/api/3/issue/${issueId}?fields=id`)
        .then((issue) => setKeys((keys) => new Map([...keys, [issueId, issue.key]])))
        .catch(() => undefined);
    }
  }, [host, failures]);
  if (!failures || failures.issues.length === 0) {
    return unreadable === 0 ? (
      <section class="stack">
        <h2>{t.admin.sync.failures}</h2>
        <p class="subtle">{t.admin.sync.noFailures}</p>
      </section>
    ) : null;
  }
  return (
    <section class="stack">
      <h2>{t.admin.sync.failures}</h2>
      <p>{t.admin.sync.failuresWhy}</p>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">{t.reports.dimensions.issue}</th>
            <th scope="col" class="number">
              {t.reports.measures.worklogs}
            </th>
            <th scope="col">{t.admin.sync.since}</th>
          </tr>
        </thead>
        <tbody>
          {failures.issues.map((issue) => {
            const key = keys.get(issue.issueId);
            return (
              <tr key={issue.issueId}>
                <td>
                  {key ? (
                    <Button look="link" onClick={() => host.openIssue(key)}>
                      {key}
                    </Button>
                  ) : (
                    t.admin.sync.issueId(issue.issueId)
                  )}
                </td>
                <td class="number">{f.number(issue.worklogs)}</td>
                <td>{issue.since ? f.instant(issue.since) : ""}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <div>
        <Button onClick={onRetry}>{t.admin.sync.kinds.recheck}</Button>
      </div>
    </section>
  );
}

function Runs({ runs }: { runs: Schemas["RunView"][] }) {
  return (
    <section class="stack">
      <h2>{t.admin.sync.history}</h2>
      {runs.length === 0 && <p class="subtle">{t.admin.sync.noRuns}</p>}
      {runs.length > 0 && (
        <div class="scroller" tabIndex={0} role="region" aria-label={t.admin.sync.history}>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">{t.admin.sync.kind}</th>
                <th scope="col">{t.admin.sync.result}</th>
                <th scope="col">{t.admin.sync.began}</th>
                <th scope="col" class="number">
                  {t.admin.sync.took}
                </th>
                <th scope="col" class="number">
                  {t.admin.sync.written}
                </th>
                <th scope="col" class="number">
                  {t.admin.sync.deleted}
                </th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <tr key={`${run.kind}${run.startedAt}`}>
                  <td>{t.admin.sync.runs[run.kind] ?? run.kind}</td>
                  <td>
                    <span
                      class={`lozenge ${{ done: "success", failed: "error" }[run.state] ?? "information"}`}
                    >
                      {t.admin.sync.results[run.state] ?? run.state}
                    </span>
                    {run.error && <p class="small">{run.error}</p>}
                  </td>
                  <td>{f.instant(run.startedAt, { dateStyle: "medium", timeStyle: "medium" })}</td>
                  <td class="number">{run.finishedAt ? took(run.startedAt, run.finishedAt) : ""}</td>
                  <td class="number">{f.number(run.written)}</td>
                  <td class="number">{f.number(run.deleted)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function took(from: string, to: string): string {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return seconds < 60
    ? new Intl.NumberFormat(f.locale, { style: "unit", unit: "second", maximumFractionDigits: 1 }).format(
        seconds,
      )
    : f.duration(seconds);
}
