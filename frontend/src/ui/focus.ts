/** Whether nothing has the focus: what had it is gone, or can have it no more. */
export function isFocusLost(): boolean {
  return document.activeElement === document.body || !document.activeElement;
}
