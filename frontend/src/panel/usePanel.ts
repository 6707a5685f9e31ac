// Data of the panel and what one can do with it. Jira comes first: a row counts once Jira has it.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { NoAnswer, Problem, type Schemas, answered, body } from "../api/client";
import { namesOf } from "../host/lookups";
import type { PageProps } from "../page";
import { hasExpired } from "../ui/Licence";
import type { Tag } from "../ui/TagPicker";
import type { Input, Worklog } from "./entry";
import { PendingDeletes } from "./pendingDeletes";

/** What Jira says of the issue's time, seconds. */
export interface Times {
  spent: number;
  original?: number;
  remaining?: number;
}

/** What Jira lets the person do on the issue; everything while it has not said. */
export interface Rights {
  log: boolean;
  editOwn: boolean;
  editAll: boolean;
  deleteOwn: boolean;
  deleteAll: boolean;
}

/** A row and how it stands. */
export interface Item {
  worklog: Worklog;
  state: "inJira" | "saving" | "deleting";
  /** What Jira said against the last try. */
  refused?: unknown;
}

const PERMISSIONS = {
  log: "WORK_ON_ISSUES",
  editOwn: "EDIT_OWN_WORKLOGS",
  editAll: "EDIT_ALL_WORKLOGS",
  deleteOwn: "DELETE_OWN_WORKLOGS",
  deleteAll: "DELETE_ALL_WORKLOGS",
} as const;

const NOTHING: Rights = { log: false, editOwn: false, editAll: false, deleteOwn: false, deleteAll: false };

export function usePanel({ api, host }: PageProps) {
  const { issueId = "" } = host.context;
  const [panel, setPanel] = useState<Schemas["PanelView"]>();
  const [failure, setFailure] = useState<unknown>();
  const [items, setItems] = useState<Item[]>([]);
  const [older, setOlder] = useState<string | null>();
  const [tags, setTags] = useState<Tag[]>([]);
  const [times, setTimes] = useState<Times>();
  const [rights, setRights] = useState<Rights>();
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  const asked = useRef(new Set<string>());
  const path = useMemo(() => ({ issueId }), [issueId]);

  /** Names come from Jira to this browser; the server never sees them. */
  const learnNames = useCallback(
    async (worklogs: Worklog[]) => {
      const unknown = [...new Set(worklogs.map((worklog) => worklog.accountId))].filter(
        (id): id is string => typeof id === "string" && !asked.current.has(id),
      );
      unknown.forEach((id) => asked.current.add(id));
      const found = await namesOf(host, unknown);
      setNames((known) => new Map([...known, ...found]));
    },
    [host],
  );

  const learnTimes = useCallback(async () => {
    interface Issue {
      fields: {
        timetracking?: {
          timeSpentSeconds?: number;
          originalEstimateSeconds?: number;
          remainingEstimateSeconds?: number;
        };
      };
    }
    const issue = await host
      .jira<Issue>(`/rest/api/3/issue/${issueId}?fields=timetracking`)
      .catch(() => undefined);
    const told = issue?.fields.timetracking;
    if (!told) return;
    setTimes({
      spent: told.timeSpentSeconds ?? 0,
      ...(told.originalEstimateSeconds !== undefined && { original: told.originalEstimateSeconds }),
      ...(told.remainingEstimateSeconds !== undefined && { remaining: told.remainingEstimateSeconds }),
    });
  }, [host, issueId]);

  const learnRights = useCallback(async () => {
    const keys = Object.values(PERMISSIONS).join(",");
    interface Granted {
      permissions: Partial<Record<string, { havePermission: boolean }>>;
    }
    const told = await host
      .jira<Granted>(`/rest/api/3/mypermissions?issueId=${issueId}&permissions=${keys}`)
      // Then Jira says it when something is tried.
      .catch(() => undefined);
    if (!told) return;
    const has = (name: keyof Rights) => told.permissions[PERMISSIONS[name]]?.havePermission ?? true;
    setRights({
      log: has("log"),
      editOwn: has("editOwn"),
      editAll: has("editAll"),
      deleteOwn: has("deleteOwn"),
      deleteAll: has("deleteAll"),
    });
  }, [host, issueId]);

  const load = useCallback(async () => {
    try {
      const panel = await body(api.GET("/api/v1/issues/{issueId}/panel", { params: { path } }));
      setFailure(undefined);
      setPanel(panel);
      setTags(panel.tags);
      setOlder(panel.worklogs.nextCursor);
      // What is on its way stays as it is.
      setItems((items) => {
        const busy = new Map(
          items.filter((item) => item.state !== "inJira").map((item) => [item.worklog.id, item]),
        );
        const fresh = panel.worklogs.items.map((worklog) => busy.get(worklog.id) ?? inJira(worklog));
        const unsent = items.filter((item) => item.state === "saving" && !fresh.includes(item));
        return [...unsent, ...fresh];
      });
      void learnNames(panel.worklogs.items);
    } catch (error) {
      setFailure(error);
    }
  }, [api, path, learnNames]);

  const loadOlder = useCallback(async () => {
    if (!older) return;
    const query = { order: "newest", cursor: older };
    const page = await body(api.GET("/api/v1/issues/{issueId}/worklogs", { params: { path, query } }));
    setItems((items) => {
      const known = new Set(items.map((item) => item.worklog.id));
      return [...items, ...page.items.filter((worklog) => !known.has(worklog.id)).map(inJira)];
    });
    setOlder(page.nextCursor);
    void learnNames(page.items);
  }, [api, older, path, learnNames]);

  const channel = useMemo(
    () => ("BroadcastChannel" in window ? new BroadcastChannel("hourbook") : undefined),
    [],
  );
  const changed = useCallback(() => {
    channel?.postMessage({ issueId });
    void learnTimes();
  }, [channel, issueId, learnTimes]);

  useEffect(() => {
    void load();
    void learnTimes();
    void learnRights();
    if (!channel) return;
    // Another tab changed this issue's time.
    const heard = (event: MessageEvent<{ issueId?: string }>) => {
      if (event.data.issueId !== issueId) return;
      void load();
      void learnTimes();
    };
    channel.addEventListener("message", heard);
    return () => channel.removeEventListener("message", heard);
  }, [load, learnTimes, learnRights, channel, issueId]);

  const change = useCallback(
    (id: string, to: (item: Item) => Item | undefined) =>
      setItems((items) => items.flatMap((item) => (item.worklog.id === id ? (to(item) ?? []) : [item]))),
    [],
  );

  /** Logs work; the key makes a retry safe. Rejects with what Jira said. */
  const create = useCallback(
    async (input: Input, key: string): Promise<Worklog> => {
      const sketch = sketchOf(key, input, host.context.accountId, issueId);
      setItems((items) => [
        { worklog: sketch, state: "saving" },
        ...items.filter((item) => item.worklog.id !== key),
      ]);
      try {
        const worklog = await body(
          api.POST("/api/v1/issues/{issueId}/worklogs", {
            params: { path, header: { "Idempotency-Key": key } },
            body: input,
          }),
        );
        setItems((items) =>
          sorted([
            inJira(worklog),
            ...items.filter(({ worklog: { id } }) => id !== key && id !== worklog.id),
          ]),
        );
        void learnNames([worklog]);
        changed();
        return worklog;
      } catch (error) {
        change(key, () => undefined);
        throw error;
      }
    },
    [api, host, issueId, path, change, changed, learnNames],
  );

  /** Changes a worklog. Rejects with what Jira said; a conflict has the newer version. */
  const edit = useCallback(
    async (worklog: Worklog, input: Input): Promise<void> => {
      change(worklog.id, (item) => ({ worklog: item.worklog, state: "saving" }));
      try {
        const saved = await body(
          api.PUT("/api/v1/issues/{issueId}/worklogs/{worklogId}", {
            params: { path: { ...path, worklogId: worklog.id } },
            body: input,
          }),
        );
        setItems((items) =>
          sorted(items.map((item) => (item.worklog.id === saved.id ? inJira(saved) : item))),
        );
        changed();
      } catch (error) {
        change(worklog.id, (item) => ({ worklog: item.worklog, state: "inJira" }));
        throw error;
      }
    },
    [api, path, change, changed],
  );

  const replace = useCallback((worklog: Worklog) => change(worklog.id, () => inJira(worklog)), [change]);

  const remove = useCallback(
    async (worklog: Worklog, isLast: boolean): Promise<void> => {
      try {
        await answered(
          api.DELETE("/api/v1/issues/{issueId}/worklogs/{worklogId}", {
            params: { path: { ...path, worklogId: worklog.id } },
            // The browser finishes it when the page is gone.
            keepalive: isLast,
          }),
        );
        change(worklog.id, () => undefined);
        changed();
      } catch (error) {
        const isGone = error instanceof Problem && error.status === 404;
        change(worklog.id, (item) =>
          isGone ? undefined : { worklog: item.worklog, state: "inJira", refused: error },
        );
        if (error instanceof NoAnswer) void load();
      }
    },
    [api, path, change, changed, load],
  );
  const pending = useMemo(() => new PendingDeletes<Worklog>(), []);
  useEffect(() => pending.sendWith((worklog, isLast) => void remove(worklog, isLast)), [pending, remove]);

  /** Takes a row out; the request leaves a little later, so that it can be undone. */
  const removeSoon = useCallback(
    (worklog: Worklog) => {
      change(worklog.id, (item) => ({ worklog: item.worklog, state: "deleting" }));
      pending.add(worklog.id, worklog);
    },
    [change, pending],
  );
  const undo = useCallback(
    (worklog: Worklog) => {
      if (pending.cancel(worklog.id))
        change(worklog.id, (item) => ({ worklog: item.worklog, state: "inJira" }));
    },
    [change, pending],
  );

  const createTag = useCallback(
    async (name: string): Promise<Tag> => {
      const tag = await body(api.POST("/api/v1/tags", { body: { name } }));
      setTags((tags) => [...tags, tag].sort((one, other) => one.name.localeCompare(other.name)));
      return tag;
    },
    [api],
  );

  return {
    panel,
    failure,
    items,
    older,
    tags,
    times,
    // Without a licence everything can be read, and nothing else.
    rights: hasExpired(panel?.licence) ? NOTHING : rights,
    names,
    load,
    loadOlder,
    create,
    edit,
    replace,
    removeSoon,
    undo,
    createTag,
  };
}

/** What the panel knows and can do. */
export type PanelModel = ReturnType<typeof usePanel>;

function inJira(worklog: Worklog): Item {
  return { worklog, state: "inJira" };
}

/** The newest first, as the server lists them. */
function sorted(items: Item[]): Item[] {
  const start = (item: Item) => Date.parse(item.worklog.started);
  return [...items].sort(
    (one, other) => start(other) - start(one) || Number(other.worklog.id) - Number(one.worklog.id),
  );
}

/** A row for what is being saved; its id is the key until Jira gives one. */
function sketchOf(key: string, input: Input, accountId: string, issueId: string): Worklog {
  const now = new Date().toISOString();
  return {
    id: key,
    issueId,
    accountId,
    started: input.started ?? now,
    created: now,
    updated: now,
    timeSpentSeconds: input.timeSpentSeconds ?? 0,
    comment: input.comment ?? null,
    tags: input.tags ?? [],
    restricted: false,
  };
}
