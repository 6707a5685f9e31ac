import { t } from "../text";

/** Until something is here. */
export function Waiting() {
  return (
    <div class="stack" aria-busy="true">
      <p class="heard" role="status">
        {t.loading}
      </p>
      <div class="skeleton" />
      <div class="skeleton" />
      <div class="skeleton" />
    </div>
  );
}
