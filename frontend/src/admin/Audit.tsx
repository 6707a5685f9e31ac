import { useCallback, useEffect, useState } from "preact/hooks";
import { type Schemas, body } from "../api/client";
import { namesOf } from "../host/lookups";
import type { PageProps } from "../page";
import { f, t } from "../text";
import { Button } from "../ui/Button";
import { Failure } from "../ui/Failure";
import { Waiting } from "./Waiting";

type Act = Schemas["ActView"];

/** What was done to tags, settings and syncs, and by whom; the newest first. */
export function Audit({ api, host }: PageProps) {
  const [acts, setActs] = useState<Act[]>();
  const [next, setNext] = useState<string | null>();
  const [failure, setFailure] = useState<unknown>();
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  const load = useCallback(
    async (cursor?: string) => {
      try {
        const page = await body(api.GET("/api/v1/audit", cursor ? { params: { query: { cursor } } } : {}));
        setActs((acts) => (cursor ? [...(acts ?? []), ...page.items] : page.items));
        setNext(page.nextCursor);
        setFailure(undefined);
        const found = await namesOf(host, [...new Set(page.items.flatMap((act) => act.accountId ?? []))]);
        setNames((names) => new Map([...names, ...found]));
      } catch (error) {
        setFailure(error);
      }
    },
    [api, host],
  );
  useEffect(() => void load(), [load]);
  if (!acts)
    return failure === undefined ? <Waiting /> : <Failure error={failure} retry={() => void load()} />;
  return (
    <div class="stack">
      {acts.length === 0 && (
        <div class="empty">
          <h2>{t.admin.audit.empty.title}</h2>
          <p>{t.admin.audit.empty.text}</p>
        </div>
      )}
      {acts.length > 0 && (
        <div class="scroller" tabIndex={0} role="region" aria-label={t.admin.tabs.audit}>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">{t.admin.audit.when}</th>
                <th scope="col">{t.admin.audit.who}</th>
                <th scope="col">{t.admin.audit.what}</th>
                <th scope="col">{t.admin.audit.on}</th>
              </tr>
            </thead>
            <tbody>
              {acts.map((act, at) => (
                <tr key={`${act.at}${at}`}>
                  <td>{f.instant(act.at, { dateStyle: "medium", timeStyle: "medium" })}</td>
                  <td>
                    {act.accountId ? (names.get(act.accountId) ?? act.accountId) : t.admin.audit.server}
                  </td>
                  <td>{t.admin.audit.actions[act.action] ?? act.action}</td>
                  <td>{act.subject && <code>{act.subject}</code>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {failure !== undefined && <Failure error={failure} retry={() => void load(next ?? undefined)} />}
      {next && (
        <div>
          <Button onClick={() => void load(next)}>{t.admin.audit.older}</Button>
        </div>
      )}
    </div>
  );
}
