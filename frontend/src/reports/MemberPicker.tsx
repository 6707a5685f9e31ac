// A field to search members in and to pick several of them. The library knows what a combo box has to do for hands and
// ears; it is loaded when a filter is opened.

import * as combobox from "@zag-js/combobox";
import { normalizeProps, useMachine } from "@zag-js/preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../text";
import { Icon } from "../ui/icons";

/** Something to pick. */
export interface Option {
  id: string;
  name: string;
}

interface Props {
  label: string;
  /** What fits a text. Rejects with what is wrong. */
  search: (text: string, signal: AbortSignal) => Promise<Option[]>;
  picked: string[];
  onChange: (picked: string[], options: Option[]) => void;
  describe: (error: unknown) => string;
}

const WAIT_MS = 180;

export default function MemberPicker({ label, search, picked, onChange, describe }: Props) {
  const [options, setOptions] = useState<Option[]>([]);
  const [text, setText] = useState("");
  const [state, setState] = useState<"busy" | "done">("busy");
  const [fault, setFault] = useState("");
  useEffect(() => {
    const controller = new AbortController();
    setState("busy");
    const timer = setTimeout(() => {
      search(text, controller.signal)
        .then((found) => {
          setOptions(found);
          setFault("");
          setState("done");
        })
        .catch((error: unknown) => {
          if (controller.signal.aborted) return;
          setFault(describe(error));
          setState("done");
        });
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [text, search, describe]);
  const collection = useMemo(
    () =>
      combobox.collection({ items: options, itemToValue: (one) => one.id, itemToString: (one) => one.name }),
    [options],
  );
  const service = useMachine(combobox.machine, {
    id: useId(),
    collection,
    multiple: true,
    value: picked,
    open: true,
    disableLayer: true,
    closeOnSelect: false,
    openOnClick: true,
    inputBehavior: "autohighlight",
    selectionBehavior: "clear",
    onInputValueChange: ({ inputValue }) => setText(inputValue),
    onValueChange: ({ value }) => onChange(value, options),
  });
  const api = combobox.connect(service, normalizeProps);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <div class="picker" {...api.getRootProps()}>
      <label class="label" {...api.getLabelProps()}>
        {label}
      </label>
      <div {...api.getControlProps()}>
        <input ref={input} class="input" {...api.getInputProps()} placeholder={t.reports.search} />
      </div>
      <div class="echo" role="status">
        {fault ? (
          <span class="fault">{fault}</span>
        ) : state === "busy" ? (
          t.loading
        ) : (
          t.reports.found(options.length)
        )}
      </div>
      <ul {...api.getContentProps()} class="options" aria-label={label}>
        {options.map((item) => {
          const chosen = api.getItemState({ item }).selected;
          return (
            <li key={item.id} class="option" {...api.getItemProps({ item })}>
              <span class="box">{chosen && <Icon name="check" />}</span>
              {item.name}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
