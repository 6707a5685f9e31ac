import type { ButtonHTMLAttributes } from "preact";
import { Icon, type IconName } from "./icons";

interface Props extends Omit<ButtonHTMLAttributes, "class"> {
  class?: string;
  look?: "primary" | "danger" | "bare" | "link";
}

/** A button; it submits nothing unless it says so. */
export function Button({ look, type = "button", class: extra, ...rest }: Props) {
  const names = ["button", look, extra].filter(Boolean).join(" ");
  return <button type={type} class={names} {...rest} />;
}

interface IconProps extends Omit<ButtonHTMLAttributes, "class"> {
  class?: string;
  icon: IconName;
  label: string;
}

/** A button that is only an icon, with a name for ears and a tooltip for eyes. */
export function IconButton({ icon, label, class: extra, ...rest }: IconProps) {
  const names = ["button", "icon", extra].filter(Boolean).join(" ");
  return (
    <button type="button" class={names} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}
