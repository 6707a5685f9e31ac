import { useMemo } from "preact/hooks";
import { f, t } from "../text";
import { type Chart as Shape, chartOf, ticks } from "./chart";
import type { ReportView, State } from "./state";
import { heard, measured } from "./Table";

const WIDTH = 960;
const HEIGHT = 340;
const LEFT = 64;
const BOTTOM = 44;
const TOP = 12;

interface Props {
  report: ReportView;
  style: State["style"];
}

/** A chart of the table's numbers, drawn here; the same numbers as a table are one click away. */
export function Chart({ report, style }: Props) {
  const chart = useMemo(() => chartOf(report, t.reports.others), [report]);
  if (!chart) return null;
  const measure = report.measures[0]?.name ?? "seconds";
  const sums = chart.series.map((series) => series.values.reduce((sum, value) => sum + value, 0));
  const whole = sums.reduce((sum, value) => sum + value, 0);
  const most = chart.series[0];
  const summary = t.reports.chartSummary(
    t.reports.measures[measure],
    f.days(report.range.first, report.range.last),
    heard(measure, whole),
    most ? `${most.name}: ${heard(measure, sums[0] ?? 0)}` : "",
  );
  return (
    <figure class="stack chart">
      <figcaption>{summary}</figcaption>
      {chart.kind === "time" ? (
        <div class="bars-room" tabIndex={0} role="region" aria-label={t.reports.views.chart}>
          <Bars chart={chart} report={report} style={style} label={summary} />
        </div>
      ) : (
        <Shares chart={chart} sums={sums} whole={whole} report={report} style={style} />
      )}
      {chart.kind === "time" && (
        <ul class="row legend">
          {chart.series.map((series, at) => (
            <li key={series.name} class="row tight small">
              <svg width="12" height="12" aria-hidden="true">
                <rect width="12" height="12" rx="2" style={{ fill: colour(series.colour) }} />
              </svg>
              {series.name} <span class="subtle">{measured(measure, sums[at] ?? 0, style)}</span>
            </li>
          ))}
        </ul>
      )}
      <details>
        <summary>{t.reports.asTable}</summary>
        <Numbers chart={chart} sums={sums} report={report} style={style} />
      </details>
    </figure>
  );
}

function colour(number: number): string {
  return number === 0 ? "var(--ds-chart-neutral)" : `var(--ds-chart-categorical-${number})`;
}

interface Drawn {
  chart: Shape;
  report: ReportView;
  style: State["style"];
}

/** Stacked bars over time. */
function Bars({ chart, report, style, label }: Drawn & { label: string }) {
  const measure = report.measures[0]?.name ?? "seconds";
  const heights = chart.columns.map((_, at) =>
    chart.series.reduce((sum, series) => sum + (series.values[at] ?? 0), 0),
  );
  const steps = ticks(Math.max(...heights, 1), measure === "seconds" || measure === "effective");
  const top = steps.at(-1) ?? 1;
  const room = (WIDTH - LEFT) / chart.columns.length;
  const bar = Math.min(room * 0.72, 64);
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  // As many labels as there is room for.
  const every = Math.ceil(chart.columns.length / Math.max(1, Math.floor((WIDTH - LEFT) / 96)));
  return (
    <svg class="bars" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      {steps.map((step) => (
        <g key={step}>
          <line class="grid" x1={LEFT} x2={WIDTH} y1={y(step)} y2={y(step)} />
          <text class="axis" x={LEFT - 8} y={y(step) + 4} text-anchor="end">
            {step === 0 ? 0 : measured(measure, step, style)}
          </text>
        </g>
      ))}
      {chart.columns.map(({ name, short }, at) => {
        let below = 0;
        const x = LEFT + room * at + (room - bar) / 2;
        return (
          <g key={name}>
            {chart.series.map((series) => {
              const value = series.values[at] ?? 0;
              if (value === 0) return null;
              const from = below;
              below += value;
              return (
                <rect
                  key={series.name}
                  x={x}
                  y={y(below)}
                  width={bar}
                  height={Math.max(1, y(from) - y(below))}
                  style={{ fill: colour(series.colour) }}
                >
                  <title>{`${name}, ${series.name}: ${measured(measure, value, style)}`}</title>
                </rect>
              );
            })}
            {at % every === 0 && (
              <text class="axis" x={x + bar / 2} y={HEIGHT - BOTTOM + 18} text-anchor="middle">
                {short}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

/** One bar for each group, with its share beside it. */
function Shares({ chart, sums, whole, report, style }: Drawn & { sums: number[]; whole: number }) {
  const measure = report.measures[0]?.name ?? "seconds";
  const most = Math.max(...sums, 1);
  return (
    <ul class="shares">
      {chart.series.map((series, at) => {
        const sum = sums[at] ?? 0;
        return (
          <li key={series.name}>
            <span class="who">{series.name}</span>
            <svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(100 * sum) / most} height="10" style={{ fill: colour(series.colour) }} />
            </svg>
            <span class="number">
              {measured(measure, sum, style)} <span class="subtle">{f.percent(whole ? sum / whole : 0)}</span>
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** The chart's numbers as a table. */
function Numbers({ chart, sums, report, style }: Drawn & { sums: number[] }) {
  const measure = report.measures[0]?.name ?? "seconds";
  return (
    <div class="scroller low" tabIndex={0} role="region" aria-label={t.reports.asTable}>
      <table class="report">
        <thead>
          <tr>
            <th scope="col">{t.reports.group}</th>
            {chart.columns.map(({ name }) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
            <th scope="col" class="number">
              {t.reports.total}
            </th>
          </tr>
        </thead>
        <tbody>
          {chart.series.map((series, at) => (
            <tr key={series.name}>
              <th scope="row">{series.name}</th>
              {chart.kind === "time" &&
                series.values.map((value, column) => (
                  <td key={chart.columns[column]?.name} class="number">
                    {value ? measured(measure, value, style) : ""}
                  </td>
                ))}
              <td class="number">{measured(measure, sums[at] ?? 0, style)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
