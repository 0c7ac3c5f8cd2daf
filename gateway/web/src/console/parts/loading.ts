/** What a view asks the gateway for when it is shown. */
import { useCallback, useEffect, useState } from "preact/hooks";

export interface Loaded<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  readonly reload: () => void;
}

/** What `load` answers; asked again when one of `inputs` changes or on `reload`, while the last answer stays in sight. */
export function useLoaded<Value>(load: (signal: AbortSignal) => Promise<Value>, inputs: readonly unknown[]): Loaded<Value> {
  const [state, setState] = useState<{ value?: Value; error?: unknown; busy: boolean }>({ busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    setState((last) => ({ ...last, busy: true }));
    load(controller.signal).then(
      (value) => { if (!controller.signal.aborted) setState({ value, busy: false }); },
      (error: unknown) => { if (!controller.signal.aborted) setState((last) => ({ ...last, error, busy: false })); },
    );
    return () => controller.abort();
  }, [...inputs, turn]);
  const reload = useCallback(() => setTurn((last) => last + 1), []);
  return { value: state.value, error: state.error, busy: state.busy, reload };
}
