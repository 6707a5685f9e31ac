import { useCallback, useEffect, useState } from "preact/hooks";
import { type Schemas, body } from "../api/client";
import { type Group, searchGroups } from "../host/lookups";
import type { PageProps } from "../page";
import { t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { Button, IconButton } from "../ui/Button";
import { Failure, reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { useLoaded } from "../ui/useLoaded";
import { Waiting } from "./Waiting";

type Shape = Schemas["SettingsView"];

const RIGHTS = ["admins", "groups", "everyone"] as const;
const TAG_RIGHTS = ["everyone", "admins"] as const;
type WeekStart = NonNullable<Shape["weekStart"]>;
const WEEK_STARTS: (WeekStart | "locale")[] = ["locale", "monday", "saturday", "sunday"];

/** Who may report on others, who adds tags, and what days and weeks are unless a report says otherwise. */
export function Settings({ api, host }: PageProps) {
  const load = useCallback(() => body(api.GET("/api/v1/settings")), [api]);
  const { value: saved, setValue: setSaved, failure, reload } = useLoaded(load);
  const [draft, setDraft] = useState<Shape>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const announce = useAnnounce();
  useEffect(() => setDraft(saved), [saved]);
  if (!saved || !draft)
    return failure === undefined ? <Waiting /> : <Failure error={failure} retry={() => void reload()} />;
  const set = (change: Partial<Shape>) => setDraft({ ...draft, ...change });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const incomplete = draft.reportRight === "groups" && draft.reportGroups.length === 0;
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const input = {
        reportRight: draft.reportRight,
        reportGroups: draft.reportRight === "groups" ? draft.reportGroups : [],
        tagRight: draft.tagRight,
        zone: draft.zone,
        weekStart: draft.weekStart ?? "locale",
      };
      setSaved(await body(api.PUT("/api/v1/settings", { body: input })));
      announce(t.admin.settings.saved);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      class="stack form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isChanged && !incomplete && !busy) void save();
      }}
    >
      <fieldset class="field">
        <legend>{t.admin.settings.reportRight}</legend>
        <p class="small subtle">{t.admin.settings.reportRightWhy}</p>
        {!saved.chosen && (
          <Message kind="information">
            <p>{t.admin.settings.notChosen}</p>
          </Message>
        )}
        {RIGHTS.map((right) => (
          <label key={right} class="row tight">
            <input
              type="radio"
              name="right"
              checked={draft.reportRight === right}
              onChange={() => set({ reportRight: right })}
            />
            {t.admin.settings.rights[right]}
          </label>
        ))}
        {draft.reportRight === "groups" && (
          <Groups
            host={host}
            chosen={draft.reportGroups}
            onChange={(reportGroups) => set({ reportGroups })}
          />
        )}
      </fieldset>
      <fieldset class="field">
        <legend>{t.admin.settings.tagRight}</legend>
        {TAG_RIGHTS.map((right) => (
          <label key={right} class="row tight">
            <input
              type="radio"
              name="tags"
              checked={draft.tagRight === right}
              onChange={() => set({ tagRight: right })}
            />
            {t.admin.settings.tagRights[right]}
          </label>
        ))}
      </fieldset>
      <Zone zone={draft.zone} own={host.context.zone} onChange={(zone) => set({ zone })} />
      <label class="field">
        <span class="label">{t.admin.settings.weekStart}</span>
        <select
          class="input"
          value={draft.weekStart ?? "locale"}
          onChange={(event) => {
            const day = event.currentTarget.value;
            set({ weekStart: day === "locale" ? null : (day as WeekStart) });
          }}
        >
          {[...new Set<WeekStart | "locale">([...WEEK_STARTS, draft.weekStart ?? "locale"])].map((day) => (
            <option key={day} value={day}>
              {day === "locale" ? t.admin.settings.byLocale : t.options.weekdays[day]}
            </option>
          ))}
        </select>
      </label>
      {error !== undefined && (
        <Message kind="error" title={t.panel.notSaved}>
          <p>{reason(error)}</p>
        </Message>
      )}
      <div class="row">
        <Button type="submit" look="primary" disabled={!isChanged || busy || incomplete}>
          {busy ? t.panel.saving : t.panel.save}
        </Button>
        {isChanged && (
          <Button look="bare" onClick={() => setDraft(saved)}>
            {t.cancel}
          </Button>
        )}
      </div>
    </form>
  );
}

function Zone({ zone, own, onChange }: { zone: string; own: string; onChange: (zone: string) => void }) {
  const zones = Intl.supportedValuesOf("timeZone");
  const offered = [...new Set([own, "UTC", ...zones])];
  return (
    <label class="field">
      <span class="label">{t.admin.settings.zone}</span>
      <select class="input" value={zone} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="viewer">{t.admin.settings.zones.viewer}</option>
        <option value="author">{t.admin.settings.zones.author}</option>
        {offered.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Groups of Jira's, searched through the host and stored by their ids. */
function Groups({
  host,
  chosen,
  onChange,
}: {
  host: PageProps["host"];
  chosen: string[];
  onChange: (ids: string[]) => void;
}) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Group[]>([]);
  const [known, setKnown] = useState<ReadonlyMap<string, string>>(new Map());
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(() => {
      searchGroups(host, text, 50)
        .then((groups) => {
          if (stale) return;
          setFound(groups);
          setKnown(
            (known) => new Map([...known, ...groups.map((group) => [group.groupId, group.name] as const)]),
          );
          setError(undefined);
        })
        .catch((problem: unknown) => !stale && setError(problem));
    }, 200);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [host, text]);
  const add = () => {
    const group =
      found.find((group) => group.name.toLowerCase() === text.trim().toLowerCase()) ??
      (found.length === 1 ? found[0] : undefined);
    if (!group) return;
    setText("");
    if (!chosen.includes(group.groupId)) onChange([...chosen, group.groupId]);
  };
  return (
    <div class="field indented">
      <label for="groups">{t.admin.settings.groups}</label>
      <ul class="row tight">
        {chosen.map((id) => (
          <li key={id} class="chip">
            {known.get(id) ?? id}
            <IconButton
              icon="close"
              label={t.tags.remove(known.get(id) ?? id)}
              onClick={() => onChange(chosen.filter((other) => other !== id))}
            />
          </li>
        ))}
      </ul>
      <div class="row">
        <input
          id="groups"
          class="input grow"
          list="groups-list"
          value={text}
          placeholder={t.reports.search}
          autocomplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
        />
        <Button onClick={add}>{t.tags.add}</Button>
      </div>
      <datalist id="groups-list">
        {found.map((group) => (
          <option key={group.groupId} value={group.name} />
        ))}
      </datalist>
      {error !== undefined && <p class="fault small">{reason(error)}</p>}
    </div>
  );
}
