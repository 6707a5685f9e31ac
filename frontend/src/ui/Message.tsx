import type { ComponentChildren } from "preact";

interface Props {
  kind: "information" | "warning" | "error" | "success";
  title?: string;
  children?: ComponentChildren;
}

/** Something to know. Errors interrupt whoever listens, the rest waits for a pause. */
export function Message({ kind, title, children }: Props) {
  return (
    <div class={`message ${kind}`} role={kind === "error" ? "alert" : "status"}>
      {title && <strong>{title}</strong>}
      {children}
    </div>
  );
}
