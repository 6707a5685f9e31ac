import { useCallback, useEffect, useState } from "preact/hooks";
import { type Api, Problem, type Schemas, body } from "../api/client";
import type { Host } from "../host/host";
import { t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { MenuItem, Popover } from "../ui/Popover";
import { type State, definitionOf, stateOf } from "./state";

export type SavedReport = Schemas["SavedView"];
type Sharing = NonNullable<Schemas["Content"]["sharing"]>;

/** Saved reports that the person may use. */
function useSaved(api: Api) {
  const [saved, setSaved] = useState<SavedReport[]>();
  const [failure, setFailure] = useState<unknown>();
  const load = useCallback(async () => {
    try {
      setSaved(await body(api.GET("/api/v1/reports")));
      setFailure(undefined);
    } catch (error) {
      setFailure(error);
    }
  }, [api]);
  useEffect(() => void load(), [load]);
  return { saved, failure, load };
}

interface Props {
  state: State;
  api: Api;
  host: Host;
  isAdmin: boolean;
  /** Without a licence nothing can be saved. */
  maySave: boolean;
  onOpen: (state: State) => void;
}

type Asking = "save" | "rename" | "delete";

/** The title, and what can be done with saved reports. */
export function SavedMenu({ state, api, host, isAdmin, maySave, onOpen }: Props) {
  const { saved, failure, load } = useSaved(api);
  const [asking, setAsking] = useState<Asking>();
  const [error, setError] = useState<unknown>();
  const announce = useAnnounce();
  const current = saved?.find((report) => report.id === state.saved);
  const isOwn = current?.owner === host.context.accountId;
  const mayDelete = current && (isOwn || (isAdmin && current.sharing.with !== "private"));
  const isChanged =
    current &&
    JSON.stringify(definitionOf(stateOf(current.definition, state))) !== JSON.stringify(definitionOf(state));
  const act = async (work: () => Promise<SavedReport | undefined>, heard: string) => {
    setError(undefined);
    try {
      const report = await work();
      await load();
      setAsking(undefined);
      onOpen({ ...state, saved: report?.id });
      announce(heard);
    } catch (problem) {
      setError(problem);
    }
  };
  const path = { reportId: current?.id ?? "" };
  const change = (title: string, sharing: Sharing) =>
    act(async () => {
      const version = current?.version ?? 0;
      const changed = { version, title, sharing, definition: definitionOf(state) };
      return body(api.PUT("/api/v1/reports/{reportId}", { params: { path }, body: changed }));
    }, t.saved.savedHeard);
  return (
    <div class="row grow">
      <h1>
        <Popover
          label={current?.title ?? t.saved.untitled}
          name={t.saved.choose(current?.title ?? t.saved.untitled)}
          menu
          look="bare"
          class="title"
        >
          {(close) => (
            <>
              {saved?.map((report) => (
                <MenuItem
                  key={report.id}
                  checked={report.id === state.saved}
                  onChoose={() => {
                    close();
                    onOpen({ ...stateOf(report.definition, state), saved: report.id });
                  }}
                >
                  {report.title}
                  {report.sharing.with !== "private" && <span class="lozenge">{t.saved.shared}</span>}
                </MenuItem>
              ))}
              {saved?.length === 0 && <p class="subtle hint">{t.saved.empty}</p>}
              {failure !== undefined && <p class="fault hint">{reason(failure)}</p>}
            </>
          )}
        </Popover>
      </h1>
      {isChanged && <span class="lozenge information">{t.saved.changed}</span>}
      {maySave && isOwn && isChanged && (
        <Button onClick={() => void change(current.title, current.sharing)}>{t.saved.save}</Button>
      )}
      {maySave && <Button onClick={() => setAsking("save")}>{t.saved.saveAs}</Button>}
      {current && (maySave || mayDelete) && (
        <Popover label={t.saved.more} menu look="bare">
          {(close) => {
            const choose = (work: () => void) => () => {
              close();
              work();
            };
            return (
              <>
                {maySave && isOwn && (
                  <MenuItem onChoose={choose(() => setAsking("rename"))}>{t.saved.rename}</MenuItem>
                )}
                {maySave && (
                  <MenuItem
                    onChoose={choose(
                      () =>
                        void act(
                          () => body(api.POST("/api/v1/reports/{reportId}/duplicate", { params: { path } })),
                          t.saved.savedHeard,
                        ),
                    )}
                  >
                    {t.saved.duplicate}
                  </MenuItem>
                )}
                {mayDelete && (
                  <MenuItem danger onChoose={choose(() => setAsking("delete"))}>
                    {t.saved.delete}
                  </MenuItem>
                )}
              </>
            );
          }}
        </Popover>
      )}
      {error !== undefined && !asking && (
        <Message kind="error">
          <p>{describe(error)}</p>
        </Message>
      )}
      {asking === "save" && (
        <ContentDialog
          heading={t.saved.saveAs}
          title=""
          sharing={{ with: "private" }}
          error={error}
          onClose={() => setAsking(undefined)}
          onSave={(title, sharing) =>
            void act(
              () =>
                body(
                  api.POST("/api/v1/reports", { body: { title, sharing, definition: definitionOf(state) } }),
                ),
              t.saved.savedHeard,
            )
          }
        />
      )}
      {asking === "rename" && current && (
        <ContentDialog
          heading={t.saved.rename}
          title={current.title}
          sharing={current.sharing}
          error={error}
          onClose={() => setAsking(undefined)}
          onSave={(title, sharing) => void change(title, sharing)}
        />
      )}
      {asking === "delete" && current && (
        <Dialog title={t.saved.delete} onClose={() => setAsking(undefined)}>
          <p>{t.saved.deleteAsk(current.title)}</p>
          {error !== undefined && <p class="fault">{describe(error)}</p>}
          <footer>
            <Button look="bare" onClick={() => setAsking(undefined)}>
              {t.cancel}
            </Button>
            <Button
              look="danger"
              onClick={() =>
                void act(async () => {
                  await body(api.DELETE("/api/v1/reports/{reportId}", { params: { path } }));
                  return undefined;
                }, t.saved.deletedHeard)
              }
            >
              {t.saved.delete}
            </Button>
          </footer>
        </Dialog>
      )}
    </div>
  );
}

function describe(error: unknown): string {
  return error instanceof Problem && error.status === 409 ? t.saved.conflict : reason(error);
}

interface ContentProps {
  heading: string;
  title: string;
  sharing: Sharing;
  error: unknown;
  onClose: () => void;
  onSave: (title: string, sharing: Sharing) => void;
}

function ContentDialog({ heading, title: before, sharing, error, onClose, onSave }: ContentProps) {
  const [title, setTitle] = useState(before);
  const [everyone, setEveryone] = useState(sharing.with === "everyone");
  const byGroups = sharing.with === "groups";
  return (
    <Dialog title={heading} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (title.trim())
            onSave(title.trim(), byGroups ? sharing : { with: everyone ? "everyone" : "private" });
        }}
      >
        <label class="field">
          <span class="label">{t.saved.title}</span>
          <input
            class="input"
            data-autofocus
            required
            maxLength={200}
            value={title}
            onInput={(event) => setTitle(event.currentTarget.value)}
          />
        </label>
        {byGroups ? (
          <p class="small subtle">{t.saved.byGroups}</p>
        ) : (
          <label class="row tight">
            <input
              type="checkbox"
              checked={everyone}
              onChange={(event) => setEveryone(event.currentTarget.checked)}
            />
            {t.saved.share}
          </label>
        )}
        <p class="small subtle">{t.saved.shareHelp}</p>
        {error !== undefined && (
          <p class="fault" role="alert">
            {describe(error)}
          </p>
        )}
        <footer>
          <Button look="bare" onClick={onClose}>
            {t.cancel}
          </Button>
          <Button type="submit" look="primary" disabled={!title.trim()}>
            {t.saved.save}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
