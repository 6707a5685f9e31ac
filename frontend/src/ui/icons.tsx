// Drawn here, on a grid of 16; what they mean is said in words beside them or in the name of their button.

const paths = {
  close: "M4 4l8 8M12 4l-8 8",
  edit: "M10.5 3.5l2 2L6 12l-2.5.5L4 10zM9.5 4.5l2 2",
  trash: "M3.5 4.5h9M6.5 4.5v-1h3v1M5 4.5l.5 8h5l.5-8M7 7v3.5M9 7v3.5",
  copy: "M5.5 5.5h7v7h-7zM10.5 5.5v-2h-7v7h2",
  check: "M3.5 8.5l3 3 6-7",
  down: "M4 6.5l4 4 4-4",
  right: "M6.5 4l4 4-4 4",
  left: "M9.5 4l-4 4 4 4",
  plus: "M8 3.5v9M3.5 8h9",
  lock: "M4.5 7.5h7v5h-7zM6 7.5v-2a2 2 0 0 1 4 0v2",
  warning: "M8 3l5.5 10h-11zM8 7v2.5M8 11.2v.3",
  up: "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
  sortDown: "M8 3.5v9M4.5 9L8 12.5 11.5 9",
};

export type IconName = keyof typeof paths;

/** A decoration: unseen by screen readers. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path
        d={paths[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
