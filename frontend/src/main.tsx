// Finds the host, learns the language, and shows the page.

import "virtual:tokens.css";
import "./ui/ui.css";
import { render } from "preact";
import { createApi } from "./api/client";
import { type Host, type View, findHost, isView } from "./host/host";
import { speak } from "./text";
import { Failure } from "./ui/Failure";
import { Boundary } from "./ui/Boundary";
import { type PageProps, type Page } from "./page";

const pages: Record<View, () => Promise<{ default: Page }>> = {
  panel: () => import("./panel"),
  reports: () => import("./reports"),
  admin: () => import("./admin"),
};

async function begin(root: HTMLElement): Promise<void> {
  let host: Host;
  // Where the page says what it shows, it is fetched while the host is asked who looks.
  const told = document.documentElement.dataset["view"] ?? new URLSearchParams(location.search).get("view");
  if (isView(told)) void pages[told]();
  try {
    host = await findHost();
    await speak(host.context.locale, host.context.zone);
  } catch (error) {
    await speak(navigator.language, undefined);
    render(<Failure error={error} />, root);
    return;
  }
  document.documentElement.lang = host.context.locale;
  document.documentElement.dataset["view"] = host.context.view;
  const { default: Page } = await pages[host.context.view]();
  const props: PageProps = { host, api: createApi(host) };
  render(
    <Boundary>
      <Page {...props} />
    </Boundary>,
    root,
  );
  // The other pages fill the room that the host has.
  if (host.context.view === "panel") host.fit(root);
}

const root = document.getElementById("app");
if (root) void begin(root);
