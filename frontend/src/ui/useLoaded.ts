import { useCallback, useEffect, useState } from "preact/hooks";

/** Something that is loaded when it is first shown, and again on demand. */
export function useLoaded<T>(load: () => Promise<T>) {
  const [value, setValue] = useState<T>();
  const [failure, setFailure] = useState<unknown>();
  const reload = useCallback(async () => {
    try {
      setValue(await load());
      setFailure(undefined);
    } catch (error) {
      setFailure(error);
    }
  }, [load]);
  useEffect(() => void reload(), [reload]);
  return { value, setValue, failure, reload };
}
