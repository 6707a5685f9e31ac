import type { Host } from "../host/host";
import { NoAnswer, problem } from "./client";

/** Fetches a file through the host and hands it to the browser. Rejects as [`body`] does. */
export async function download(host: Host, request: Request, otherwise: string): Promise<void> {
  const response = await host.backend(request).catch((cause: unknown) => {
    throw request.signal.aborted ? cause : new NoAnswer(String(cause));
  });
  if (!response.ok) throw problem(response, await response.json().catch(() => null));
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name ?? otherwise;
  link.click();
  // The browser has taken it over by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
