const colours = ["", "teal", "purple", "orange", "green"];

/** The initials of somebody whose name stands beside. */
export function Avatar({ id, name }: { id: string; name: string }) {
  const initials = name
    .split(/\s+/)
    .map((part) => [...part][0] ?? "")
    .filter((_, at, all) => at === 0 || at === all.length - 1)
    .join("")
    .toLocaleUpperCase();
  const sum = [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 9973, 7);
  return (
    <span class={`avatar ${colours[sum % colours.length] ?? ""}`} aria-hidden="true">
      {initials || "?"}
    </span>
  );
}
