/** A document that is being edited: its text, and the one way to change it. Form and JSON are two views of this. */
import { createContext } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Fault } from "../api.js";
import { read, replaced, type Path, type Reading } from "../model/json.js";

export interface Draft {
  readonly reading: Reading;
  readonly write: (text: string) => void;
  /** Puts JSON in the place of a member; undefined takes it out. */
  readonly edit: (path: Path, json: string | undefined) => void;
}

export function useDraft(initial: string): Draft {
  const [text, write] = useState(initial);
  const reading = useMemo(() => read(text), [text]);
  return { reading, write, edit: (path, json) => write((last) => replaced(last, path, json)) };
}

/** What the fields of a form know: the draft, what the gateway said of it, and whether it may be changed. */
export const FormContext = createContext<{ draft: Draft; faults: readonly Fault[]; locked: boolean } | null>(null);
