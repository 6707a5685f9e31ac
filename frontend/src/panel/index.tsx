// The panel of an issue. It loads on every issue view, so it has to be light.

import "./panel.css";
import { useRef } from "preact/hooks";
import type { PageProps } from "../page";
import { t } from "../text";
import { Announcer, useAnnounce } from "../ui/Announcer";
import { Button } from "../ui/Button";
import { Failure } from "../ui/Failure";
import { Licence, hasExpired } from "../ui/Licence";
import { Message } from "../ui/Message";
import { NewWork, type NewWorkHandle } from "./NewWork";
import { Row } from "./Row";
import { Summary } from "./Summary";
import { usePanel } from "./usePanel";

export default function Page(props: PageProps) {
  return (
    <Announcer>
      <Panel {...props} />
    </Announcer>
  );
}

function Panel(props: PageProps) {
  const { context } = props.host;
  const model = usePanel(props);
  const announce = useAnnounce();
  const form = useRef<NewWorkHandle>(null);
  if (model.failure !== undefined && !model.panel) {
    return (
      <main class="panel">
        <h1 class="heard">{t.panel.title}</h1>
        <Failure error={model.failure} retry={() => void model.load()} />
      </main>
    );
  }
  if (!model.panel) return <Waiting />;
  const mayLog = model.rights?.log ?? true;
  return (
    <main class="panel stack">
      <h1 class="heard">{t.panel.title}</h1>
      <Licence licence={model.panel.licence} />
      {model.times && <Summary times={model.times} />}
      {hasExpired(model.panel.licence) ? null : !model.panel.settings.timeTrackingEnabled ? (
        <Message kind="warning" title={t.panel.off.title}>
          <p>{t.panel.off.text}</p>
        </Message>
      ) : mayLog ? (
        <NewWork context={context} model={model} announce={announce} handle={form} />
      ) : (
        <Message kind="information" title={t.panel.mayNot.title}>
          <p>{t.panel.mayNot.text}</p>
        </Message>
      )}
      {model.failure !== undefined && <Failure error={model.failure} retry={() => void model.load()} />}
      <section class="stack">
        <h2>{t.panel.latest}</h2>
        {model.items.length === 0 && (
          <div class="empty">
            <h3>{t.panel.empty.title}</h3>
            <p>{mayLog ? t.panel.empty.text : t.panel.empty.readOnly}</p>
          </div>
        )}
        <ul class="worklogs">
          {model.items.map((item) => (
            <Row
              key={item.worklog.id}
              item={item}
              model={model}
              accountId={context.accountId}
              zone={context.zone}
              announce={announce}
              onCopy={(worklog) => form.current?.copy(worklog)}
            />
          ))}
        </ul>
        {model.older && <Button onClick={() => void model.loadOlder()}>{t.panel.older}</Button>}
      </section>
    </main>
  );
}

function Waiting() {
  return (
    <main class="panel stack" aria-busy="true">
      <h1 class="heard">{t.panel.title}</h1>
      <p class="heard" role="status">
        {t.loading}
      </p>
      <div class="skeleton" />
      <div class="skeleton tall" />
      <div class="skeleton" />
    </main>
  );
}
