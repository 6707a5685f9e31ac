// What was typed and not yet confirmed by Jira lives in this browser, per site, account and issue, for seven days.

import type { Context } from "../host/host";
import type { Entry } from "./entry";

/** A form that is not yet in Jira. */
export interface Draft {
  entry: Entry;
  /** Set while nobody knows whether it arrived: the key that keeps a retry from logging twice. */
  key?: string;
  /** When it was typed, ms since 1970. */
  at: number;
}

const PREFIX = "hourbook/draft/";
const KEPT_MS = 7 * 86_400_000;

/** Drafts of one form. A browser without storage keeps none, and everything else works. */
export class Drafts {
  readonly name: string;

  constructor(context: Context) {
    this.name = `${PREFIX}${context.siteUrl}/${context.accountId}/${context.issueId ?? ""}`;
  }

  load(): Draft | undefined {
    forgetOld();
    return read(this.name);
  }

  save(draft: Omit<Draft, "at">): void {
    quietly(() => localStorage.setItem(this.name, JSON.stringify({ ...draft, at: Date.now() })));
  }

  clear(): void {
    quietly(() => localStorage.removeItem(this.name));
  }

  /** Tells what another tab made of it; returns how to stop listening. */
  onChange(listener: (draft: Draft | undefined) => void): () => void {
    const heard = (event: StorageEvent) => event.key === this.name && listener(read(this.name));
    addEventListener("storage", heard);
    return () => removeEventListener("storage", heard);
  }
}

function read(name: string): Draft | undefined {
  const text = quietly(() => localStorage.getItem(name));
  const draft = quietly(() => JSON.parse(text ?? "null") as Draft | null);
  return draft && typeof draft.at === "number" && Date.now() - draft.at < KEPT_MS ? draft : undefined;
}

/** Removes what is too old, of every issue. */
function forgetOld(): void {
  quietly(() => {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(PREFIX) && !read(name)) localStorage.removeItem(name);
    }
  });
}

/** Storage may be forbidden or full. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
