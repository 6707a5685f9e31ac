// A calendar to pick a range of days from, by mouse and keyboard. The library knows how; it is loaded when it is opened.

import * as datePicker from "@zag-js/date-picker";
import { normalizeProps, useMachine } from "@zag-js/preact";
import { useId } from "preact/hooks";
import { f, t } from "../text";
import { IconButton } from "../ui/Button";
import { type State, WEEKDAYS } from "./state";

interface Props {
  first: string;
  last: string;
  weekStart: State["weekStart"];
  onPick: (first: string, last: string) => void;
}

export default function Calendar({ first, last, weekStart, onPick }: Props) {
  const service = useMachine(datePicker.machine, {
    id: useId(),
    inline: true,
    selectionMode: "range",
    locale: f.locale,
    timeZone: f.zone,
    startOfWeek: (WEEKDAYS.indexOf(weekStart) + 1) % 7,
    numOfMonths: 1,
    fixedWeeks: true,
    defaultValue: [datePicker.parse(first), datePicker.parse(last)],
    onValueChange: ({ value }) => {
      const [from, to] = value;
      if (from && to) onPick(from.toString(), to.toString());
    },
  });
  const api = datePicker.connect(service, normalizeProps);
  return (
    <div {...api.getContentProps()} class="calendar">
      <div class="row" {...api.getViewControlProps({ view: "day" })}>
        <IconButton icon="left" label={t.reports.monthBefore} onClick={api.goToPrev} />
        <strong class="grow center" aria-live="polite">
          {f.day(api.visibleRange.start.toString(), { year: "numeric", month: "long" })}
        </strong>
        <IconButton icon="right" label={t.reports.monthAfter} onClick={api.goToNext} />
      </div>
      <table {...api.getTableProps({ view: "day" })}>
        <thead {...api.getTableHeadProps({ view: "day" })}>
          <tr {...api.getTableRowProps({ view: "day" })}>
            {api.weekDays.map((day) => (
              <th key={day.long} scope="col" abbr={day.long}>
                {day.narrow}
              </th>
            ))}
          </tr>
        </thead>
        <tbody {...api.getTableBodyProps({ view: "day" })}>
          {api.weeks.map((week, at) => (
            <tr key={at} {...api.getTableRowProps({ view: "day" })}>
              {week.map((value) => (
                <td key={value.toString()} {...api.getDayTableCellProps({ value })}>
                  <div {...api.getDayTableCellTriggerProps({ value })}>{value.day}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
