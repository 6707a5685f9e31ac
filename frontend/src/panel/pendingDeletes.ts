// Deletions that can still be undone: each leaves after six seconds, all of them at once when the page closes.

/** How long there is to undo, ms. */
export const UNDO_MS = 6000;

type Send<T> = (what: T, isLast: boolean) => void;

export class PendingDeletes<T> {
  private readonly waiting = new Map<string, { what: T; timer: ReturnType<typeof setTimeout> }>();
  private send: Send<T> = () => undefined;

  /** Says how to send; returns how to stop listening for the end of the page. */
  sendWith(send: Send<T>): () => void {
    this.send = send;
    const flush = () => this.flush();
    addEventListener("pagehide", flush);
    return () => {
      removeEventListener("pagehide", flush);
    };
  }

  add(id: string, what: T): void {
    const timer = setTimeout(() => {
      this.waiting.delete(id);
      this.send(what, false);
    }, UNDO_MS);
    this.waiting.set(id, { what, timer });
  }

  /** Whether it was still here. */
  cancel(id: string): boolean {
    const found = this.waiting.get(id);
    if (!found) return false;
    clearTimeout(found.timer);
    return this.waiting.delete(id);
  }

  private flush(): void {
    for (const { what, timer } of this.waiting.values()) {
      clearTimeout(timer);
      this.send(what, true);
    }
    this.waiting.clear();
  }
}
