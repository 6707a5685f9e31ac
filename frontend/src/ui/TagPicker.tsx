import { useId, useState } from "preact/hooks";
import type { Schemas } from "../api/client";
import { t } from "../text";
import { Button, IconButton } from "./Button";

export type Tag = Schemas["TagView"];

interface Props {
  tags: Tag[];
  chosen: string[];
  onChange: (chosen: string[]) => void;
  /** Adds a tag to the catalogue; absent where the person may not. Rejects with what is wrong. */
  create?: ((name: string) => Promise<Tag>) | undefined;
  describe: (error: unknown) => string;
}

const MOST = 20;

/** Tags as chips, and a field with the browser's own list of suggestions, which works by keyboard and for ears. */
export function TagPicker({ tags, chosen, onChange, create, describe }: Props) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const offered = tags.filter((tag) => !tag.archived && !chosen.includes(tag.id));
  const known = (name: string) => tags.find((tag) => tag.name.toLowerCase() === name.trim().toLowerCase());
  const take = (tag: Tag) => {
    setTyped("");
    setFault("");
    if (!chosen.includes(tag.id)) onChange([...chosen, tag.id]);
  };
  const add = async (name: string) => {
    if (!name.trim()) return;
    const tag = known(name);
    if (chosen.length >= MOST) {
      setFault(t.tags.tooMany(MOST));
      return;
    }
    if (tag?.archived) {
      setFault(t.tags.isArchived(tag.name));
      return;
    }
    if (tag) {
      take(tag);
      return;
    }
    if (!create) {
      setFault(t.tags.onlyAdmins(name.trim()));
      return;
    }
    setBusy(true);
    try {
      take(await create(name.trim()));
    } catch (error) {
      setFault(describe(error));
    } finally {
      setBusy(false);
    }
  };
  const isNew = typed.trim() !== "" && !known(typed);
  return (
    <div class="field">
      <label for={id}>{t.tags.label}</label>
      {chosen.length > 0 && (
        <ul class="row" aria-label={t.tags.chosen}>
          {chosen.map((tagId) => {
            const name = tags.find((tag) => tag.id === tagId)?.name ?? t.tags.unknown;
            return (
              <li key={tagId} class="chip">
                {name}
                <IconButton
                  icon="close"
                  label={t.tags.remove(name)}
                  onClick={() => onChange(chosen.filter((other) => other !== tagId))}
                />
              </li>
            );
          })}
        </ul>
      )}
      <div class="row">
        <input
          id={id}
          class="input grow"
          list={`${id}-list`}
          value={typed}
          placeholder={t.tags.placeholder}
          autocomplete="off"
          maxLength={100}
          aria-describedby={`${id}-fault`}
          aria-invalid={fault !== ""}
          onInput={(event) => {
            const name = event.currentTarget.value;
            setFault("");
            setTyped(name);
            // A suggestion that was picked comes whole, without a key.
            const isPicked = !("inputType" in event) || event.inputType === "insertReplacementText";
            const tag = known(name);
            if (isPicked && tag && !tag.archived) take(tag);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.isComposing && typed.trim()) {
              event.preventDefault();
              void add(typed);
            }
            if (event.key === "Backspace" && typed === "" && chosen.length > 0) onChange(chosen.slice(0, -1));
          }}
        />
        {typed.trim() && (
          <Button disabled={busy} onClick={() => void add(typed)}>
            {isNew && create ? t.tags.create : t.tags.add}
          </Button>
        )}
      </div>
      <datalist id={`${id}-list`}>
        {offered.map((tag) => (
          <option key={tag.id} value={tag.name} />
        ))}
      </datalist>
      <div id={`${id}-fault`} class="echo error" role="alert" hidden={!fault}>
        {fault}
      </div>
    </div>
  );
}
