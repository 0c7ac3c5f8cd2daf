/** What every view has: the API as this operator, a way to say what happened, and what outlives a view. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Api } from "./api.js";
import type { Question } from "./shapes.js";

/** A document that was edited and not saved: what it was made of, and what it is now. */
export interface KeptDraft {
  readonly base: { readonly text: string; readonly etag: string };
  readonly text: string;
}

export interface Console {
  readonly api: Api;
  /** Read out and shown at the foot of the page. */
  readonly announce: (sentence: string) => void;
  readonly drafts: Map<string, KeptDraft>;
  /** A decision that somebody wants to try again, on its way to the view that does. */
  readonly handed: { question: Question | null };
}

export const ConsoleContext = createContext<Console | null>(null);

export function useConsole(): Console {
  const found = useContext(ConsoleContext);
  if (!found) throw new Error("a view stands in the console");
  return found;
}
