import { useRef, useState } from "preact/hooks";
import type { Api, Schemas } from "../api/client";
import { download } from "../api/download";
import type { Host } from "../host/host";
import { t } from "../text";
import { useAnnounce } from "../ui/Announcer";
import { reason } from "../ui/Failure";
import { Message } from "../ui/Message";
import { MenuItem, Popover } from "../ui/Popover";
import type { Definition } from "./state";
import { prepared } from "./useReport";

type Format = Schemas["ExportInput"]["format"];
const FORMATS: Format[] = ["csv", "xlsx", "jsonl"];

interface Props {
  api: Api;
  host: Host;
  definition: Definition;
}

/** The report as a file: all of its rows, whatever the page has loaded. */
export function ExportMenu({ api, host, definition }: Props) {
  const announce = useAnnounce();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const running = useRef<AbortController | undefined>(undefined);
  const write = async (format: Format) => {
    setBusy(true);
    setError(undefined);
    announce(t.exports.begun);
    const controller = new AbortController();
    running.current = controller;
    const { signal } = controller;
    try {
      // Asked first, so that the file itself comes at once.
      await prepared(
        api,
        () => api.POST("/api/v1/reports/query", { body: { definition, limit: 1 }, signal }),
        () => undefined,
        signal,
      );
      const request = new Request(`${location.origin}/api/v1/reports/export`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ definition, format, bom: format === "csv" }),
        signal,
      });
      await download(host, request, `hourbook.${format}`, format === "csv");
      announce(t.exports.done);
    } catch (problem) {
      if (!signal.aborted) setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Popover label={busy ? t.exports.writing : t.exports.label} name={t.exports.label} menu>
        {(close) => (
          <>
            {FORMATS.map((format) => (
              <MenuItem
                key={format}
                onChoose={() => {
                  close();
                  if (!busy) void write(format);
                }}
              >
                {t.exports.formats[format]}
              </MenuItem>
            ))}
            {busy && (
              <MenuItem
                danger
                onChoose={() => {
                  close();
                  running.current?.abort();
                }}
              >
                {t.cancel}
              </MenuItem>
            )}
          </>
        )}
      </Popover>
      {error !== undefined && (
        <Message kind="error">
          <p>{reason(error)}</p>
        </Message>
      )}
    </>
  );
}
