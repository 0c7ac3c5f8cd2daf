/** What the gateway says of a document that is being edited: a dry run, a moment after the last change. */
import { useEffect, useState } from "preact/hooks";

import { Problem, under, type Fault } from "../api.js";
import { useConsole } from "../context.js";
import type { DryRun } from "../shapes.js";

/** `of` is the text that was checked, so that nobody takes the verdict on another for this one's. */
export interface Checked {
  readonly of: string;
  readonly faults: readonly Fault[];
  readonly preview: DryRun | null;
  readonly problem: Problem | null;
}

const PAUSE = 400;

/** The verdict on the last text that was checked, null as long as there is none; no text, no check. */
export function useCheck(tenant: string, text: string | null, creating: boolean): Checked | null {
  const { api } = useConsole();
  const [checked, setChecked] = useState<Checked | null>(null);
  useEffect(() => {
    if (text === null) {
      setChecked(null);
      return;
    }
    const controller = new AbortController();
    const waiting = setTimeout(() => {
      api.call<DryRun>(`${under(tenant || "-")}?dry_run=true`, { method: "PUT", body: text, creating, signal: controller.signal }).then(
        ({ body }) => setChecked({ of: text, faults: [], preview: body, problem: null }),
        (error: unknown) => {
          if (!(error instanceof Problem)) return;
          const told = error.code === "request-invalid" && error.faults.length > 0;
          setChecked({ of: text, faults: error.faults, preview: null, problem: told ? null : error });
        },
      );
    }, PAUSE);
    return () => {
      clearTimeout(waiting);
      controller.abort();
    };
  }, [api, tenant, text, creating]);
  return checked;
}
