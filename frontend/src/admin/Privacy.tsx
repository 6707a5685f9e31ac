import { useCallback, useState } from "preact/hooks";
import { body } from "../api/client";
import { download } from "../api/download";
import type { PageProps } from "../page";
import { f, t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Failure, reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { useLoaded } from "../ui/useLoaded";
import { Waiting } from "./Waiting";

/** What is stored, where, how it is backed up, how its end will be proved, and all of it as a file. */
export function Privacy({ api, host }: PageProps) {
  const load = useCallback(() => body(api.GET("/api/v1/privacy")), [api]);
  const { value: privacy, failure, reload } = useLoaded(load);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const announce = useAnnounce();
  if (!privacy)
    return failure === undefined ? <Waiting /> : <Failure error={failure} retry={() => void reload()} />;
  const takeout = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await download(host, new Request(`${location.origin}/api/v1/privacy/export`), "hourbook.jsonl");
      announce(t.exports.done);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const { backup, receipt } = privacy;
  return (
    <div class="stack">
      <dl class="figures">
        <div>
          <dt>{t.admin.privacy.region}</dt>
          <dd>{privacy.region}</dd>
        </div>
        <div>
          <dt>{t.admin.privacy.lastBackup}</dt>
          <dd>{backup.lastAt ? f.instant(backup.lastAt) : t.admin.privacy.noBackup}</dd>
          <dd class="small subtle">
            {backup.bytes ? f.bytes(backup.bytes) : ""} {t.admin.privacy.nextBackup(f.instant(backup.nextAt))}
          </dd>
        </div>
        <div>
          <dt>{t.admin.privacy.readBack}</dt>
          <dd>{backup.readBackAt ? f.instant(backup.readBackAt) : t.admin.privacy.notYet}</dd>
          <dd class="small subtle">{t.admin.privacy.kept(backup.keptDays)}</dd>
        </div>
      </dl>
      <section class="stack">
        <h2>{t.admin.privacy.takeout}</h2>
        <p>{t.admin.privacy.takeoutWhy}</p>
        <div>
          <Button disabled={busy} onClick={() => void takeout()}>
            {busy ? t.exports.writing : t.admin.privacy.takeoutNow}
          </Button>
        </div>
        {error !== undefined && (
          <Message kind="error" title={t.errors.title}>
            <p>{reason(error)}</p>
          </Message>
        )}
      </section>
      <section class="stack">
        <h2>{t.admin.privacy.receipt}</h2>
        <p>{t.admin.privacy.receiptWhy(receipt.accountKeptDays, receipt.lastKeyCopyGoneAfterHours)}</p>
        <Copyable label={t.admin.privacy.publicKey} text={receipt.publicKey} />
        <Copyable label={t.admin.privacy.receiptUrl} text={receipt.url} />
      </section>
      <section class="stack">
        <h2>{t.admin.privacy.stored}</h2>
        <p>{t.admin.privacy.storedWhy(privacy.exportsKeptHours)}</p>
        <div class="scroller" tabIndex={0} role="region" aria-label={t.admin.privacy.stored}>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">{t.admin.privacy.column}</th>
                <th scope="col">{t.admin.privacy.reason}</th>
              </tr>
            </thead>
            <tbody>
              {privacy.stored.map((column) => (
                <tr key={column.column}>
                  <td>
                    <code>{column.column}</code>
                  </td>
                  <td lang="en">{column.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </div>
  );
}

function Copyable({ label, text }: { label: string; text: string }) {
  const announce = useAnnounce();
  return (
    <div class="field">
      <span class="label">{label}</span>
      <div class="row">
        <code class="grow key">{text}</code>
        <Button
          aria-label={t.admin.privacy.copyOf(label)}
          onClick={() =>
            // Some hosts forbid it: then it is there to be marked by hand.
            void navigator.clipboard.writeText(text).then(
              () => announce(t.admin.privacy.copied),
              () => announce(t.admin.privacy.notCopied),
            )
          }
        >
          {t.admin.privacy.copy}
        </Button>
      </div>
    </div>
  );
}
