import { useCallback, useState } from "preact/hooks";
import { type Schemas, body } from "../api/client";
import type { PageProps } from "../page";
import { t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Failure, reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { useLoaded } from "../ui/useLoaded";
import { Waiting } from "./Waiting";

type Tag = Schemas["TagView"];

interface Props extends PageProps {
  /** Without a licence nothing can be changed. */
  mayChange: boolean;
}

/** The catalogue of tags. A tag stays the same when it is renamed; one that is in use is archived, not deleted. */
export function Tags({ api, mayChange }: Props) {
  const load = useCallback(async () => (await body(api.GET("/api/v1/tags"))).items, [api]);
  const { value: tags, failure, reload } = useLoaded(load);
  const [name, setName] = useState("");
  const [editing, setEditing] = useState<Tag>();
  const [error, setError] = useState<unknown>();
  const announce = useAnnounce();
  if (!tags)
    return failure === undefined ? <Waiting /> : <Failure error={failure} retry={() => void reload()} />;
  const act = async (work: () => Promise<unknown>, heard: string) => {
    setError(undefined);
    try {
      await work();
      await reload();
      setEditing(undefined);
      announce(heard);
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    }
  };
  const path = (tag: Tag) => ({ params: { path: { tagId: tag.id } } });
  const change = (tag: Tag, change: Schemas["TagChange"]) =>
    act(() => body(api.PUT("/api/v1/tags/{tagId}", { ...path(tag), body: change })), t.admin.tags.saved);
  return (
    <div class="stack form">
      <p class="subtle">{t.admin.tags.why}</p>
      {mayChange && (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (!name.trim()) return;
            void act(
              () => body(api.POST("/api/v1/tags", { body: { name: name.trim() } })),
              t.admin.tags.saved,
            ).then((done) => done && setName(""));
          }}
        >
          <input
            class="input grow"
            aria-label={t.admin.tags.newName}
            placeholder={t.admin.tags.newName}
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <Button type="submit" look="primary" disabled={!name.trim()}>
            {t.admin.tags.add}
          </Button>
        </form>
      )}
      {error !== undefined && (
        <Message kind="error" title={t.errors.title}>
          <p>{reason(error)}</p>
        </Message>
      )}
      {tags.length === 0 && (
        <div class="empty">
          <h2>{t.admin.tags.empty.title}</h2>
          <p>{t.admin.tags.empty.text}</p>
        </div>
      )}
      <ul class="list">
        {tags.map((tag) => (
          <li key={tag.id} class="row">
            {editing?.id === tag.id ? (
              <Rename
                tag={tag}
                onSave={(name) => void change(tag, { name })}
                onCancel={() => setEditing(undefined)}
              />
            ) : (
              <>
                <span class="grow">
                  {tag.name} {tag.archived && <span class="lozenge">{t.admin.tags.archived}</span>}
                </span>
                {mayChange && (
                  <>
                    <Button
                      look="bare"
                      aria-label={t.admin.tags.renameOf(tag.name)}
                      onClick={() => setEditing(tag)}
                    >
                      {t.admin.tags.rename}
                    </Button>
                    <Button
                      look="bare"
                      aria-label={(tag.archived ? t.admin.tags.bringBackOf : t.admin.tags.archiveOf)(
                        tag.name,
                      )}
                      onClick={() => void change(tag, { archived: !tag.archived })}
                    >
                      {tag.archived ? t.admin.tags.bringBack : t.admin.tags.archive}
                    </Button>
                    <Button
                      look="bare"
                      aria-label={t.admin.tags.deleteOf(tag.name)}
                      onClick={() =>
                        void act(
                          () => body(api.DELETE("/api/v1/tags/{tagId}", path(tag))),
                          t.admin.tags.deleted(tag.name),
                        )
                      }
                    >
                      {t.panel.delete}
                    </Button>
                  </>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Rename({
  tag,
  onSave,
  onCancel,
}: {
  tag: Tag;
  onSave: (name: string) => void;
  onCancel: () => void;
}) {
  const [name, setName] = useState(tag.name);
  return (
    <form
      class="row grow"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim()) onSave(name.trim());
      }}
      onKeyDown={(event) => event.key === "Escape" && onCancel()}
    >
      <input
        class="input grow"
        ref={(element) => element?.focus()}
        aria-label={t.admin.tags.renameOf(tag.name)}
        maxLength={100}
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <Button type="submit" look="primary" disabled={!name.trim()}>
        {t.panel.save}
      </Button>
      <Button look="bare" onClick={onCancel}>
        {t.cancel}
      </Button>
    </form>
  );
}
