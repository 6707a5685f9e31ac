// Asking for a report: the answer, or what is being found out for it, or why there is none.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Api, Problem, type Schemas, answered, body } from "../api/client";
import { t } from "../text";
import type { Definition, ReportView } from "./state";

/** Rows of one answer. */
export const PAGE = 5000;
const POLL_MS = 700;

/** How far finding out is: calls to Jira that were answered, of how many. */
export interface Progress {
  done: number;
  calls: number;
}

/** Asks again and again until nothing has to be found out any more. `call` makes one try. */
export async function prepared<T>(
  api: Api,
  call: () => Promise<{ data?: unknown; response: Response }>,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    const { data, response } = await answered(call());
    if (response.status !== 202) return data as T;
    const { id } = data as Schemas["PreparationView"];
    for (;;) {
      signal.throwIfAborted();
      const params = { path: { preparationId: id } };
      const found = await body(api.GET("/api/v1/reports/preparations/{preparationId}", { params, signal }));
      onProgress({ done: found.done, calls: found.cost.calls });
      if (found.state === "failed")
        throw new Problem(503, "preparation_failed", found.error ?? t.reports.failed);
      if (found.state === "done") break;
      await pause(POLL_MS, signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

/** The answer to a definition, in the order of questions: a late answer to an earlier one is not shown. */
export function useReport(api: Api, definition: Definition) {
  const [report, setReport] = useState<ReportView>();
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(true);
  const [progress, setProgress] = useState<Progress>();
  const [turn, setTurn] = useState(0);
  const asked = JSON.stringify(definition);
  const loading = useRef(false);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const input = { definition: JSON.parse(asked) as Definition, limit: PAGE };
    setBusy(true);
    setFailure(undefined);
    prepared<ReportView>(
      api,
      () => api.POST("/api/v1/reports/query", { body: input, signal }),
      (progress) => !signal.aborted && setProgress(progress),
      signal,
    )
      .then((found) => !signal.aborted && setReport(found))
      .catch((error: unknown) => !signal.aborted && setFailure(error))
      .finally(() => {
        if (signal.aborted) return;
        setBusy(false);
        setProgress(undefined);
      });
    return () => controller.abort();
  }, [api, asked, turn]);
  const again = useCallback(() => setTurn((turn) => turn + 1), []);
  /** The rows behind those that there are. */
  const more = useCallback(async () => {
    const have = report?.items?.length ?? report?.worklogs?.length ?? 0;
    if (!report || loading.current || have >= report.page.count) return;
    loading.current = true;
    try {
      const input = { definition: JSON.parse(asked) as Definition, offset: have, limit: PAGE };
      const answer = await body(api.POST("/api/v1/reports/query", { body: input }));
      // It is remembered who may see what: there is nothing to find out for the next rows.
      if (!("stamp" in answer)) return;
      const next = answer as ReportView;
      // What changed meanwhile has another checksum: then it is one report only if it is read anew.
      if (next.stamp.checksum !== report.stamp.checksum) {
        again();
        return;
      }
      setReport({
        ...report,
        ...(report.items && { items: [...report.items, ...(next.items ?? [])] }),
        ...(report.worklogs && { worklogs: [...report.worklogs, ...(next.worklogs ?? [])] }),
      });
    } catch (error) {
      setFailure(error);
    } finally {
      loading.current = false;
    }
  }, [api, asked, report, again]);
  return { report, failure, busy, progress, again, more };
}
