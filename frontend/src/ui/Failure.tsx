import { NoAnswer, Problem } from "../api/client";
import { t } from "../text";
import { Button } from "./Button";
import { Message } from "./Message";

/** What went wrong, in words that say what to do. */
export function reason(error: unknown): string {
  if (error instanceof NoAnswer) return t.errors.noAnswer;
  if (error instanceof Problem) return t.problems[error.code] ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

/** In place of what could not be shown. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <Message kind="error" title={t.errors.title}>
      <p>{reason(error)}</p>
      {retry && (
        <div class="row">
          <Button onClick={retry}>{t.errors.retry}</Button>
        </div>
      )}
    </Message>
  );
}
