import type { ComponentType } from "preact";
import type { Api } from "./api/client";
import type { Host } from "./host/host";

/** What every page gets. */
export interface PageProps {
  host: Host;
  api: Api;
}

export type Page = ComponentType<PageProps>;
