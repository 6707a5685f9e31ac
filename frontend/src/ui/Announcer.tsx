import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useState } from "preact/hooks";

const Context = createContext<(text: string) => void>(() => undefined);

/** Says something to whoever listens instead of looking. */
export function useAnnounce(): (text: string) => void {
  return useContext(Context);
}

/** The page's one live region. */
export function Announcer({ children }: { children: ComponentChildren }) {
  const [said, setSaid] = useState({ text: "", turn: 0 });
  // The same words twice are a change only if something else changes with them.
  const say = useCallback((text: string) => setSaid(({ turn }) => ({ text, turn: turn + 1 })), []);
  return (
    <Context.Provider value={say}>
      {children}
      <div class="heard" role="status" data-said={said.text}>
        {said.text}
        {said.turn % 2 ? "\u00a0" : ""}
      </div>
    </Context.Provider>
  );
}
