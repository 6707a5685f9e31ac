import { f, t } from "../text";
import type { Times } from "./usePanel";

/** What was logged against what was estimated, in words and as a bar. */
export function Summary({ times }: { times: Times }) {
  const { spent, original, remaining } = times;
  const whole = original ?? (remaining === undefined ? undefined : spent + remaining);
  const fraction = whole ? spent / whole : undefined;
  const isOver = fraction !== undefined && fraction > 1;
  return (
    <section class="summary" aria-label={t.panel.summary}>
      <dl class="row">
        <div>
          <dt>{t.panel.logged}</dt>
          <dd>{f.duration(spent)}</dd>
        </div>
        {remaining !== undefined && (
          <div>
            <dt>{t.panel.remaining}</dt>
            <dd>{f.duration(remaining)}</dd>
          </div>
        )}
        {original !== undefined && (
          <div>
            <dt>{t.panel.estimated}</dt>
            <dd>{f.duration(original)}</dd>
          </div>
        )}
      </dl>
      {fraction !== undefined && whole !== undefined && (
        <>
          <div class={`progress ${isOver ? "over" : ""}`} aria-hidden="true">
            <div style={{ width: `${Math.min(100, fraction * 100)}%` }} />
          </div>
          <p class="small subtle">
            {isOver ? t.panel.over(f.duration(spent - whole)) : t.panel.share(f.percent(fraction))}
          </p>
        </>
      )}
    </section>
  );
}
