import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useId, useRef, useState } from "preact/hooks";
import { isFocusLost } from "./focus";
import { Icon } from "./icons";

interface Props {
  label: ComponentChildren;
  /** Name for ears where the label alone does not say it. */
  name?: string;
  look?: "primary" | "bare";
  menu?: boolean;
  class?: string;
  children: (close: () => void) => ComponentChildren;
}

const GAP = 4;

/**
 * A button that opens something beside it, in the browser's top layer: Escape and a click elsewhere close it, and the
 * focus goes back to the button. What is inside exists only while it is open.
 */
export function Popover({ label, name, look, menu = false, class: extra, children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const close = useCallback(() => panel.current?.hidePopover(), []);
  const place = useCallback(() => {
    if (!button.current || !panel.current) return;
    const anchor = button.current.getBoundingClientRect();
    const own = panel.current.getBoundingClientRect();
    const below = anchor.bottom + GAP;
    const top = below + own.height > innerHeight ? Math.max(GAP, innerHeight - own.height - GAP) : below;
    panel.current.style.top = `${top}px`;
    panel.current.style.left = `${Math.max(GAP, Math.min(anchor.left, innerWidth - own.width - GAP))}px`;
  }, []);
  useEffect(() => {
    const { current } = panel;
    if (!open || !current) return;
    place();
    const focusable = current.querySelector<HTMLElement>("button, input, select, [tabindex='0']");
    focusable?.focus();
    const seen = new ResizeObserver(place);
    seen.observe(current);
    addEventListener("scroll", place, true);
    return () => {
      seen.disconnect();
      removeEventListener("scroll", place, true);
    };
  }, [open, place]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") event.stopPropagation();
    if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const items = [...(panel.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key] ?? 0;
    items[(step + items.length) % items.length]?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class={["button", look, extra].filter(Boolean).join(" ")}
        popoverTarget={id}
        aria-expanded={open}
        aria-haspopup={menu ? "menu" : "dialog"}
        {...(name && { "aria-label": name })}
      >
        {label}
        <Icon name="down" />
      </button>
      <div
        id={id}
        ref={panel}
        class="popover"
        popover="auto"
        role={menu ? undefined : "dialog"}
        {...(!menu && name && { "aria-label": name })}
        onToggle={(event) => {
          const isOpen = (event as unknown as { newState: string }).newState === "open";
          setOpen(isOpen);
          // Where the focus was lost with what was inside, it goes back to the button.
          if (!isOpen && isFocusLost()) button.current?.focus();
        }}
        onKeyDown={onKeyDown}
      >
        {open &&
          (menu ? (
            <div class="menu" role="menu" {...(name && { "aria-label": name })}>
              {children(close)}
            </div>
          ) : (
            children(close)
          ))}
      </div>
    </>
  );
}

interface ItemProps {
  onChoose: () => void;
  /** Of choices: whether it is the one. */
  checked?: boolean;
  danger?: boolean;
  children: ComponentChildren;
}

/** An entry of a menu. */
export function MenuItem({ onChoose, checked, danger, children }: ItemProps) {
  return (
    <button
      type="button"
      role={checked === undefined ? "menuitem" : "menuitemradio"}
      tabIndex={-1}
      {...(checked !== undefined && { "aria-checked": checked })}
      class={danger ? "fault" : ""}
      onClick={onChoose}
    >
      {children}
    </button>
  );
}
