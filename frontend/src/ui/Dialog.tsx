import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../text";
import { IconButton } from "./Button";

interface Props {
  title: string;
  onClose: () => void;
  /** On the side, as high as the page: for something to read beside what is behind it. */
  side?: boolean;
  children: ComponentChildren;
}

/** A modal dialog: the browser keeps the focus in it, closes it on Escape and gives the focus back. */
export function Dialog({ title, onClose, side = false, children }: Props) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const { current } = dialog;
    current?.showModal();
    // The attribute `autofocus` does nothing in a frame of another origin.
    current?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => current?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={side ? "side" : ""}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="sheet">
        <header class="row">
          <h2 id={id} class="grow">
            {title}
          </h2>
          <IconButton icon="close" label={t.close} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
