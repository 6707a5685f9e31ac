import { useMemo, useState } from "preact/hooks";
import type { Api } from "../api/client";
import { f, t } from "../text";
import { Dialog } from "../ui/Dialog";
import { Failure } from "../ui/Failure";
import { nameOf } from "./members";
import type { Definition, Dimension, Member, Sort, State } from "./state";
import { useReport } from "./useReport";
import { Worklogs } from "./Worklogs";

/** A number that somebody wants to see the worklogs of: the members that it counts under. */
export interface Target {
  members: { dimension: Dimension; member: Member }[];
}

interface Props {
  behind: Target;
  definition: Definition;
  style: State["style"];
  api: Api;
  onIssue: (key: string) => void;
  onClose: () => void;
}

/** The worklogs behind a number, beside the table. */
export function Behind({ behind, definition, style, api, onIssue, onClose }: Props) {
  const [sort, setSort] = useState<Sort>();
  const details = useMemo<Definition>(() => {
    const within = behind.members.map(({ dimension, member }) =>
      member.id ? { dimension, id: member.id } : { dimension, state: member.state ?? "none" },
    );
    const { range, zone, weekStart, filters } = definition;
    return {
      kind: "details",
      range,
      ...(zone && { zone }),
      ...(weekStart && { weekStart }),
      filters: { ...filters, within: [...(filters?.within ?? []), ...within] },
      ...(sort && { sort }),
    };
  }, [behind, definition, sort]);
  const { report, failure, progress, again, more } = useReport(api, details);
  const names = behind.members.map(({ dimension, member }) => nameOf(dimension, member));
  return (
    <Dialog title={names.join(" › ") || t.reports.total} side onClose={onClose}>
      {failure !== undefined && <Failure error={failure} retry={again} />}
      {!report && failure === undefined && (
        <p role="status">{progress ? t.reports.finding(progress.done, progress.calls) : t.loading}</p>
      )}
      {report && (
        <>
          <p role="status">
            {t.worklogs(report.page.count)}, {f.duration(report.total.values[0] ?? 0, style)},{" "}
            {f.days(report.range.first, report.range.last)}
          </p>
          <Worklogs
            report={report}
            state={{ style, sort, kind: "details" }}
            onSort={setSort}
            onIssue={onIssue}
            onEnd={() => void more()}
          />
        </>
      )}
    </Dialog>
  );
}
