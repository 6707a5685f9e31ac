import { f, t } from "../text";
import { Icon } from "../ui/icons";
import { Message } from "../ui/Message";
import type { ReportView } from "./state";

/** What the numbers are worth, in words. */
export function Stamp({ report }: { report: ReportView }) {
  const { stamp } = report;
  const { zone } = stamp;
  return (
    <footer class="stamp small subtle">
      <p class={`lozenge ${stamp.state === "inStep" ? "success" : "warning"}`}>
        <Icon name={stamp.state === "inStep" ? "check" : "warning"} />
        {stamp.state === "inStep" ? t.stamp.inStep : t.stamp.warned}
      </p>
      <p>
        {stamp.inStepAsOf
          ? t.stamp.asOf(f.instant(stamp.inStepAsOf, { dateStyle: "medium", timeStyle: "medium" }))
          : t.stamp.never}{" "}
        {t.stamp.counted(stamp.worklogs)} {stamp.pending > 0 && t.stamp.pending(stamp.pending)}
      </p>
      <p>
        {zone.rule === "author" ? t.stamp.author(zone.unknownAuthors, zone.name) : t.stamp.zone(zone.name)}{" "}
        {t.stamp.visibility}
      </p>
      <p>
        {t.stamp.checksum} <code title={stamp.checksum}>{stamp.checksum.slice(0, 12)}</code>
      </p>
    </footer>
  );
}

/** What one should know before relying on the numbers; it never stands in the way of reading them. */
export function Warnings({ report }: { report: ReportView }) {
  const { warnings, narrowed } = report.stamp;
  return (
    <>
      {narrowed && (
        <Message kind="information">
          <p>{t.stamp.narrowed}</p>
        </Message>
      )}
      {warnings.map((warning) => (
        <Message key={warning.code} kind="warning">
          <p>{t.stamp.warnings[warning.code] ?? warning.message}</p>
        </Message>
      ))}
    </>
  );
}
