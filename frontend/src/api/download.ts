import type { Host } from "../host/host";
import { NoAnswer, problem } from "./client";

/** What tells Excel that a text is UTF-8. */
const MARK = new Uint8Array([0xef, 0xbb, 0xbf]);

/**
 * Fetches a file through the host and hands it to the browser. Rejects as [`body`] does. A file that is `marked` keeps
 * its mark, though a host that hands texts on as such has read it away.
 */
export async function download(
  host: Host,
  request: Request,
  otherwise: string,
  marked = false,
): Promise<void> {
  const response = await host.backend(request).catch((cause: unknown) => {
    throw request.signal.aborted ? cause : new NoAnswer(String(cause));
  });
  if (!response.ok) throw problem(response, await response.json().catch(() => null));
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  const content = await response.blob();
  const isMarked = new Uint8Array(await content.slice(0, 1).arrayBuffer())[0] === MARK[0];
  const url = URL.createObjectURL(marked && !isMarked ? new Blob([MARK, content]) : content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name ?? otherwise;
  link.click();
  // The browser has taken it over by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
