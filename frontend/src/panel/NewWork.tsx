import { useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState } from "preact/hooks";
import type { Ref } from "preact";
import { NoAnswer, Problem } from "../api/client";
import type { Context } from "../host/host";
import { f, t } from "../text";
import { Button } from "../ui/Button";
import { reason } from "../ui/Failure";
import { isFocusLost } from "../ui/focus";
import { Message } from "../ui/Message";
import { Drafts } from "./draft";
import { EntryForm } from "./EntryForm";
import {
  type Entry,
  type Readable,
  type Worklog,
  blank,
  entryOf,
  isBlank,
  isReadable,
  newInput,
  readEntry,
} from "./entry";
import type { PanelModel } from "./usePanel";

/** What others may do with the form. */
export interface NewWorkHandle {
  copy(worklog: Worklog): void;
  focus(): void;
}

interface Props {
  context: Context;
  model: PanelModel;
  announce: (text: string) => void;
  handle: Ref<NewWorkHandle>;
}

/** The form for new work. What is typed stays until Jira has it: through failures, reloads and lost answers. */
export function NewWork({ context, model, announce, handle }: Props) {
  const { zone } = context;
  const panel = model.panel;
  const lastEnd = panel?.lastEnd;
  const drafts = useMemo(() => new Drafts(context), [context]);
  const [entry, setEntry] = useState<Entry>(() => drafts.load()?.entry ?? blank(zone, lastEnd));
  // Set while nobody knows whether the last try arrived.
  const [key, setKey] = useState<string | undefined>(() => drafts.load()?.key);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const field = useRef<HTMLInputElement | null>(null);
  const focus = useCallback(() => requestAnimationFrame(() => field.current?.focus()), []);
  const change = useCallback(
    (entry: Entry) => {
      setEntry(entry);
      if (isBlank(entry)) drafts.clear();
      else drafts.save({ entry });
    },
    [drafts],
  );
  useImperativeHandle(handle, () => ({
    copy: (worklog) => {
      const { day, time } = blank(zone, lastEnd);
      change({ ...entryOf(worklog, zone), day, time });
      focus();
    },
    focus,
  }));
  // The same form in another tab: what was typed or logged there holds here too.
  useEffect(
    () =>
      drafts.onChange((draft) => {
        setEntry(draft?.entry ?? blank(zone, lastEnd));
        setKey(draft?.key);
      }),
    [drafts, zone, lastEnd],
  );
  if (!panel) return null;
  const send = async (read: Readable) => {
    // The same key as long as nobody knows, so that one entry stays one.
    const used = key ?? crypto.randomUUID();
    drafts.save({ entry, key: used });
    setBusy(true);
    setError(undefined);
    try {
      const worklog = await model.create(newInput(entry, read, zone), used);
      drafts.clear();
      setKey(undefined);
      const end = new Date(Date.parse(worklog.started) + worklog.timeSpentSeconds * 1000).toISOString();
      setEntry(blank(zone, end));
      announce(t.panel.loggedHeard(f.spoken(worklog.timeSpentSeconds)));
      // Whoever went on to something else meanwhile stays there.
      if (isFocusLost() || field.current?.form?.contains(document.activeElement)) focus();
    } catch (problem) {
      const isUnknown = outcomeIsUnknown(problem);
      setKey(isUnknown ? used : undefined);
      drafts.save({ entry, ...(isUnknown && { key: used }) });
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const again = () => {
    const read = readEntry(entry, panel.settings);
    if (isReadable(read)) void send(read);
  };
  const isLocked = key !== undefined && !busy;
  return (
    <EntryForm
      entry={entry}
      onChange={change}
      site={panel.settings}
      tags={model.tags}
      createTag={panel.mayCreateTags ? model.createTag : undefined}
      describe={reason}
      onSubmit={(read) => void send(read)}
      submitLabel={t.panel.log}
      busy={busy}
      locked={isLocked}
      estimates={["auto", "leave", "new", "manual"]}
      durationRef={(element) => (field.current = element)}
      said={
        <>
          {isLocked && (
            <Message kind="warning" title={t.panel.unknown.title}>
              <p>{t.panel.unknown.text}</p>
              <div class="row">
                <Button look="primary" onClick={again}>
                  {t.panel.unknown.again}
                </Button>
                <Button
                  look="bare"
                  onClick={() => {
                    setKey(undefined);
                    setError(undefined);
                    drafts.save({ entry });
                    void model.load();
                  }}
                >
                  {t.panel.unknown.edit}
                </Button>
              </div>
            </Message>
          )}
          {error !== undefined && !isLocked && !busy && (
            <Message kind="error" title={t.panel.notLogged}>
              <p>{reason(error)}</p>
            </Message>
          )}
        </>
      }
    />
  );
}

/** Statuses after which nobody knows what became of a request; 503 says that nothing was changed. */
const UNKNOWN = [408, 500, 502, 504];

/** Whether Jira may have it all the same. */
export function outcomeIsUnknown(error: unknown): boolean {
  return error instanceof NoAnswer || (error instanceof Problem && UNKNOWN.includes(error.status));
}
