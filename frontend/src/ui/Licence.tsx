import type { Schemas } from "../api/client";
import { f, t } from "../text";
import { Message } from "./Message";

type Known = Schemas["LicenceView"] | null | undefined;

/** Whether everything is read-only. Who has heard of no licence may write: the server decides. */
export function hasExpired(licence: Known): boolean {
  return licence?.active === false;
}

/** What there is to know of the licence: that it has expired, or to admins that it is a trial. */
export function Licence({ licence }: { licence: Known }) {
  if (!licence) return null;
  if (hasExpired(licence)) {
    return (
      <Message kind="warning" title={t.licence.expired.title}>
        <p>{t.licence.expired.text}</p>
      </Message>
    );
  }
  return (
    <Message kind="information">
      <p>{licence.endsAt ? t.licence.trialUntil(f.day(licence.endsAt.slice(0, 10))) : t.licence.trial}</p>
    </Message>
  );
}
