import type { Schemas } from "../api/client";
import { f, t } from "../text";
import { Message } from "./Message";

/** What there is to know of the licence: that it has expired, or to admins that it is a trial. */
export function Licence({ licence }: { licence: Schemas["LicenceView"] | null | undefined }) {
  if (!licence) return null;
  if (!licence.active) {
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
