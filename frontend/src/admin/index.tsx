// What a Jira admin sees and sets: the sync, settings, tags, privacy, what was done. The server lets nobody else in.

import "./admin.css";
import { useCallback, useEffect, useState } from "preact/hooks";
import { body } from "../api/client";
import type { PageProps } from "../page";
import { t } from "../text";
import { Announcer } from "../ui/Announcer";
import { Licence, hasExpired } from "../ui/Licence";
import { Tabs } from "../ui/Tabs";
import { useLoaded } from "../ui/useLoaded";
import { Audit } from "./Audit";
import { Privacy } from "./Privacy";
import { Settings } from "./Settings";
import { Sync } from "./Sync";
import { Tags } from "./Tags";

const TABS = ["sync", "settings", "tags", "privacy", "audit"] as const;
type Tab = (typeof TABS)[number];

export default function Page(props: PageProps) {
  const { api, host } = props;
  const { value: me } = useLoaded(useCallback(() => body(api.GET("/api/v1/me")), [api]));
  const [tab, setTab] = useState<Tab>("sync");
  useEffect(() => {
    const show = (state: string) => setTab(TABS.find((one) => one === state) ?? "sync");
    void host.readState().then(show);
    host.onState(show);
  }, [host]);
  const choose = (tab: Tab) => {
    setTab(tab);
    host.writeState(tab);
  };
  return (
    <Announcer>
      <main class="admin">
        <h1>{t.admin.title}</h1>
        <Licence licence={me?.licence} />
        <Tabs
          label={t.admin.title}
          tabs={TABS.map((id) => ({ id, name: t.admin.tabs[id] }))}
          current={tab}
          onChange={choose}
        >
          {tab === "sync" && <Sync {...props} />}
          {tab === "settings" && <Settings {...props} />}
          {tab === "tags" && <Tags {...props} mayChange={!hasExpired(me?.licence)} />}
          {tab === "privacy" && <Privacy {...props} />}
          {tab === "audit" && <Audit {...props} />}
        </Tabs>
      </main>
    </Announcer>
  );
}
