import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { isClosed } from "../host/lookups";
import { f, t } from "../text";
import { today } from "../time/zone";
import { Avatar } from "../ui/Avatar";
import { Button, IconButton } from "../ui/Button";
import { reason } from "../ui/Failure";
import { Icon } from "../ui/icons";
import { Message } from "../ui/Message";
import { EntryForm } from "./EntryForm";
import { type Entry, type Readable, type Worklog, changedInput, entryOf } from "./entry";
import { Rich } from "./Rich";
import type { Item, PanelModel } from "./usePanel";

interface Props {
  item: Item;
  model: PanelModel;
  accountId: string;
  zone: string;
  announce: (text: string) => void;
  onCopy: (worklog: Worklog) => void;
}

/** A worklog: read, edited, or about to go. */
export function Row({ item, model, accountId, zone, announce, onCopy }: Props) {
  const { worklog, state } = item;
  const [editing, setEditing] = useState(false);
  const editButton = useRef<HTMLLIElement>(null);
  const isOwn = worklog.accountId === accountId;
  const name = nameOf(worklog, model.names, isOwn);
  const rights = model.rights;
  const mayEdit = !rights || (isOwn ? rights.editOwn : false) || rights.editAll;
  const mayDelete = !rights || (isOwn ? rights.deleteOwn : false) || rights.deleteAll;
  const done = () => {
    setEditing(false);
    requestAnimationFrame(() => editButton.current?.querySelector<HTMLButtonElement>("[data-edit]")?.focus());
  };
  if (state === "deleting") {
    return (
      <li class="worklog row" ref={editButton}>
        <span class="grow subtle">{t.panel.deleted(f.duration(worklog.timeSpentSeconds))}</span>
        <UndoButton onUndo={() => model.undo(worklog)} />
      </li>
    );
  }
  if (editing) {
    return (
      <li class="worklog" ref={editButton}>
        <Editor worklog={worklog} model={model} zone={zone} announce={announce} onDone={done} />
      </li>
    );
  }
  const label = t.panel.worklogLabel(name, f.duration(worklog.timeSpentSeconds), dayOf(worklog, zone));
  return (
    <li class="worklog" aria-label={label} ref={editButton}>
      <div class="head">
        <Avatar id={worklog.accountId ?? ""} name={name} />
        <div class="grow">
          <div class="row tight">
            <strong>{name}</strong>
            {worklog.restricted && (
              <span title={t.panel.restricted}>
                <Icon name="lock" />
                <span class="heard">{t.panel.restricted}</span>
              </span>
            )}
          </div>
          <div class="small subtle">
            <time dateTime={worklog.started}>{dayOf(worklog, zone)}</time>
          </div>
        </div>
        <div class="amount">
          <strong class="number">{f.duration(worklog.timeSpentSeconds)}</strong>
          <State item={item} />
        </div>
      </div>
      {worklog.commentAdf ? (
        <Rich document={worklog.commentAdf} />
      ) : (
        worklog.comment && <p class="comment">{worklog.comment}</p>
      )}
      <div class="foot">
        <ul class="row tight grow" aria-label={t.tags.label} hidden={worklog.tags.length === 0}>
          {worklog.tags.map((id) => (
            <li key={id} class="chip">
              {model.tags.find((tag) => tag.id === id)?.name ?? t.tags.unknown}
            </li>
          ))}
        </ul>
        {state === "inJira" && (
          <div class="actions">
            {mayEdit && (
              <IconButton icon="edit" label={t.panel.edit} data-edit onClick={() => setEditing(true)} />
            )}
            {model.rights?.log !== false && (
              <IconButton icon="copy" label={t.panel.copy} onClick={() => onCopy(worklog)} />
            )}
            {mayDelete && (
              <IconButton
                icon="trash"
                label={t.panel.delete}
                onClick={() => {
                  model.removeSoon(worklog);
                  announce(t.panel.deletedHeard(f.spoken(worklog.timeSpentSeconds)));
                }}
              />
            )}
          </div>
        )}
      </div>
      {item.refused !== undefined && (
        <Message kind="error">
          <p>{t.panel.notDeleted(reason(item.refused))}</p>
        </Message>
      )}
    </li>
  );
}

/** Takes the focus of the button that was just pressed and is gone. */
function UndoButton({ onUndo }: { onUndo: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <button ref={button} type="button" class="button" onClick={onUndo}>
      {t.panel.undo}
    </button>
  );
}

function State({ item }: { item: Item }) {
  if (item.state === "saving") return <span class="lozenge information">{t.panel.states.saving}</span>;
  if (item.refused !== undefined) return <span class="lozenge error">{t.panel.states.refused}</span>;
  return (
    <span class="saved" title={t.panel.states.inJira}>
      <Icon name="check" />
      <span class="heard">{t.panel.states.inJira}</span>
    </span>
  );
}

function nameOf(worklog: Worklog, names: ReadonlyMap<string, string>, isOwn: boolean): string {
  if (!worklog.accountId) return t.people.unknown;
  if (isClosed(worklog.accountId)) return t.people.closed;
  return names.get(worklog.accountId) ?? (isOwn ? t.people.you : t.people.somebody);
}

function dayOf(worklog: Worklog, zone: string): string {
  const day = f.instant(worklog.started, {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    timeZone: zone,
  });
  const isToday = day === f.day(today(zone), { year: "numeric", month: "2-digit", day: "2-digit" });
  return isToday ? t.panel.todayAt(f.time(worklog.started)) : f.instant(worklog.started);
}

interface EditorProps {
  worklog: Worklog;
  model: PanelModel;
  zone: string;
  announce: (text: string) => void;
  onDone: () => void;
}

/** The form of a worklog that is changed, and what happens if somebody was faster. */
function Editor({ worklog, model, zone, announce, onDone }: EditorProps) {
  const [before, setBefore] = useState(worklog);
  const [entry, setEntry] = useState<Entry>(() => entryOf(worklog, zone));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [rewrites, setRewrites] = useState(false);
  const field = useRef<HTMLInputElement | null>(null);
  useEffect(() => field.current?.focus(), []);
  if (!model.panel) return null;
  const newer =
    error instanceof Problem && error.code === "newer_in_jira" ? (error.current as Worklog) : undefined;
  const save = async (read: Readable, base: Worklog) => {
    const input = changedInput(entry, read, worklog, zone);
    if (Object.keys(input).length === 1) {
      onDone();
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await model.edit(worklog, { ...input, ifUpdated: base.updated });
      announce(t.panel.savedHeard(f.spoken(read.reading.seconds)));
      onDone();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  const isRich = Boolean(worklog.commentAdf) && !rewrites;
  return (
    <EntryForm
      entry={entry}
      onChange={setEntry}
      site={model.panel.settings}
      tags={model.tags}
      createTag={model.panel.mayCreateTags ? model.createTag : undefined}
      describe={reason}
      onSubmit={(read) => void save(read, before)}
      submitLabel={newer ? t.panel.conflict.mine : t.panel.save}
      busy={busy}
      estimates={["auto", "leave", "new"]}
      onCancel={onDone}
      durationRef={(element) => (field.current = element)}
      commentInstead={
        isRich ? (
          <div class="field">
            <span class="label">{t.panel.comment}</span>
            <Rich document={worklog.commentAdf} />
            <p class="small subtle">
              {t.panel.rich}{" "}
              <Button look="link" onClick={() => setRewrites(true)}>
                {t.panel.replaceRich}
              </Button>
            </p>
          </div>
        ) : undefined
      }
      said={
        newer ? (
          <Message kind="warning" title={t.panel.conflict.title}>
            <dl class="versions">
              <dt>{t.panel.conflict.jira}</dt>
              <dd>
                {f.duration(newer.timeSpentSeconds)}, {f.instant(newer.started)}
                {newer.comment && <q>{newer.comment}</q>}
              </dd>
            </dl>
            <div class="row">
              <Button
                onClick={() => {
                  model.replace(newer);
                  onDone();
                }}
              >
                {t.panel.conflict.theirs}
              </Button>
            </div>
            <SeenOnce worklog={newer} onSeen={setBefore} />
          </Message>
        ) : (
          error !== undefined && (
            <Message kind="error" title={t.panel.notSaved}>
              <p>{reason(error)}</p>
            </Message>
          )
        )
      }
    />
  );
}

/** Once the newer version was shown, saving means to replace that one. */
function SeenOnce({ worklog, onSeen }: { worklog: Worklog; onSeen: (worklog: Worklog) => void }) {
  useEffect(() => onSeen(worklog), [worklog, onSeen]);
  return null;
}
