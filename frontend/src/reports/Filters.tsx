import { lazy, Suspense } from "preact/compat";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Api, body } from "../api/client";
import type { Host } from "../host/host";
import { searchGroups } from "../host/lookups";
import { t } from "../text";
import { Button, IconButton } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { reason } from "../ui/Failure";
import { MenuItem, Popover } from "../ui/Popover";
import type { Option } from "./MemberPicker";
import { nameOf } from "./members";
import { type Dimension, PICKED, type Picked, type State } from "./state";
import { prepared } from "./useReport";
import type { Schemas } from "../api/client";

const MemberPicker = lazy(() => import("./MemberPicker"));

/** The dimension that a filter picks from; groups are Jira's own. */
const DIMENSIONS: Record<Exclude<Picked, "groups">, Dimension> = {
  people: "user",
  projects: "project",
  issues: "issue",
  tags: "tag",
};
const OFFERED = 100;

interface Props {
  state: State;
  api: Api;
  host: Host;
  onChange: (change: Partial<State>) => void;
}

type Side = "include" | "exclude";

/** What counts, as chips; each opens what it is made of. */
export function Filters({ state, api, host, onChange }: Props) {
  const names = useNames(state, api, host);
  const [editing, setEditing] = useState<Picked | "jql">();
  const { picks, jql } = state;
  const set = (name: Picked, side: Side, ids: string[]) =>
    onChange({ picks: { ...picks, [name]: { ...picks[name], [side]: ids } } });
  const chips = PICKED.flatMap((name) =>
    (["include", "exclude"] as const)
      .filter((side) => picks[name][side].length > 0)
      .map((side) => ({ name, side, ids: picks[name][side] })),
  );
  const isAny = chips.length > 0 || jql.include !== "" || jql.exclude !== "";
  return (
    <div class="row tight filters">
      {chips.map(({ name, side, ids }) => {
        const told = ids.slice(0, 3).map((id) => names.get(`${name}/${id}`) ?? id);
        const text = t.reports.chip[side](t.reports.filters[name], told, ids.length - told.length);
        return (
          <Chip
            key={`${name}${side}`}
            text={text}
            onEdit={() => setEditing(name)}
            onRemove={() => set(name, side, [])}
          />
        );
      })}
      {(["include", "exclude"] as const).map(
        (side) =>
          jql[side] && (
            <Chip
              key={side}
              text={t.reports.chip[side]("JQL", [jql[side]], 0)}
              onEdit={() => setEditing("jql")}
              onRemove={() => onChange({ jql: { ...jql, [side]: "" } })}
            />
          ),
      )}
      <Popover label={t.reports.addFilter} menu look="bare">
        {(close) =>
          [...PICKED, "jql" as const].map((name) => (
            <MenuItem
              key={name}
              onChoose={() => {
                close();
                setEditing(name);
              }}
            >
              {t.reports.filters[name]}
            </MenuItem>
          ))
        }
      </Popover>
      {isAny && (
        <Button
          look="link"
          onClick={() =>
            onChange({
              picks: Object.fromEntries(
                PICKED.map((name) => [name, { include: [], exclude: [] }]),
              ) as unknown as State["picks"],
              jql: { include: "", exclude: "" },
            })
          }
        >
          {t.reports.clearFilters}
        </Button>
      )}
      {editing === "jql" && (
        <JqlDialog jql={jql} onClose={() => setEditing(undefined)} onChange={(jql) => onChange({ jql })} />
      )}
      {editing && editing !== "jql" && (
        <PickDialog
          name={editing}
          state={state}
          api={api}
          host={host}
          names={names}
          onClose={() => setEditing(undefined)}
          onChange={(side, ids) => set(editing, side, ids)}
        />
      )}
    </div>
  );
}

function Chip({ text, onEdit, onRemove }: { text: string; onEdit: () => void; onRemove: () => void }) {
  return (
    <span class="chip">
      <button type="button" class="button link" onClick={onEdit}>
        {text}
      </button>
      <IconButton icon="close" label={t.reports.removeFilter(text)} onClick={onRemove} />
    </span>
  );
}

/** Names of what is picked, by filter and id: as far as they are known to this page. */
function useNames(state: State, api: Api, host: Host): Map<string, string> {
  const names = useRef(new Map<string, string>());
  const [, redraw] = useState(0);
  const wanted = PICKED.filter((name) =>
    [...state.picks[name].include, ...state.picks[name].exclude].some(
      (id) => !names.current.has(`${name}/${id}`),
    ),
  ).join();
  const range = JSON.stringify(state.range);
  useEffect(() => {
    const controller = new AbortController();
    const learn = async (name: Picked) => {
      const found = await options(
        api,
        host,
        name,
        JSON.parse(range) as State["range"],
        "",
        1000,
        controller.signal,
      );
      for (const { id, name: text } of found) names.current.set(`${name}/${id}`, text);
      redraw((turn) => turn + 1);
    };
    // Without names the chips show ids, which are right too.
    for (const name of PICKED) if (wanted.split(",").includes(name)) void learn(name).catch(() => undefined);
    return () => controller.abort();
  }, [api, host, wanted, range]);
  return names.current;
}

/** What there is to pick from. */
async function options(
  api: Api,
  host: Host,
  name: Picked,
  range: State["range"],
  search: string,
  limit: number,
  signal: AbortSignal,
): Promise<Option[]> {
  if (name === "groups") {
    const groups = await searchGroups(host, search, Math.min(limit, 100));
    return groups.map((group) => ({ id: group.groupId, name: group.name }));
  }
  if (name === "tags") {
    const { items } = await body(api.GET("/api/v1/tags", { signal }));
    return items.filter((tag) => tag.name.toLowerCase().includes(search.trim().toLowerCase()));
  }
  const dimension = DIMENSIONS[name];
  const input = { range, dimension, search, limit };
  const found = await prepared<Schemas["ValuesView"]>(
    api,
    () => api.POST("/api/v1/reports/values", { body: input, signal }),
    () => undefined,
    signal,
  );
  return found.items.flatMap((member) =>
    member.id ? [{ id: member.id, name: nameOf(dimension, member) }] : [],
  );
}

interface PickProps {
  name: Picked;
  state: State;
  api: Api;
  host: Host;
  names: Map<string, string>;
  onClose: () => void;
  onChange: (side: Side, ids: string[]) => void;
}

function PickDialog({ name, state, api, host, names, onClose, onChange }: PickProps) {
  const [side, setSide] = useState<Side>(
    state.picks[name].include.length > 0 || state.picks[name].exclude.length === 0 ? "include" : "exclude",
  );
  const { range } = state;
  const search = useCallback(
    (text: string, signal: AbortSignal) => options(api, host, name, range, text, OFFERED, signal),
    [api, host, name, range],
  );
  return (
    <Dialog title={t.reports.filters[name]} onClose={onClose}>
      <div class="row" role="radiogroup" aria-label={t.reports.side}>
        {(["include", "exclude"] as const).map((one) => (
          <label key={one} class="row tight">
            <input type="radio" name="side" checked={side === one} onChange={() => setSide(one)} />
            {t.reports.sides[one]}
          </label>
        ))}
      </div>
      {name !== "groups" && name !== "tags" && <p class="small subtle">{t.reports.pickFrom}</p>}
      <Suspense fallback={<div class="skeleton" />}>
        <MemberPicker
          key={side}
          label={t.reports.filters[name]}
          search={search}
          picked={state.picks[name][side]}
          onChange={(ids, found) => {
            for (const one of found) names.set(`${name}/${one.id}`, one.name);
            onChange(side, ids);
          }}
          describe={reason}
        />
      </Suspense>
      <footer>
        <Button look="primary" onClick={onClose}>
          {t.reports.done}
        </Button>
      </footer>
    </Dialog>
  );
}

function JqlDialog({
  jql,
  onClose,
  onChange,
}: {
  jql: State["jql"];
  onClose: () => void;
  onChange: (jql: State["jql"]) => void;
}) {
  const [draft, setDraft] = useState(jql);
  return (
    <Dialog title="JQL" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onChange(draft);
          onClose();
        }}
      >
        {(["include", "exclude"] as const).map((side) => (
          <label key={side} class="field">
            <span class="label">{t.reports.jql[side]}</span>
            <textarea
              class="input"
              rows={2}
              spellcheck={false}
              value={draft[side]}
              placeholder={t.reports.jqlExample}
              maxLength={4000}
              onInput={(event) => setDraft({ ...draft, [side]: event.currentTarget.value })}
            />
          </label>
        ))}
        <footer>
          <Button look="bare" onClick={onClose}>
            {t.cancel}
          </Button>
          <Button type="submit" look="primary">
            {t.reports.apply}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
