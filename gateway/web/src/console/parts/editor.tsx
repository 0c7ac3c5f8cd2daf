/**
 * The policy editor: a form and JSON of one draft, the gateway's verdict on it while it is written, what it would have
 * changed, and the change itself, made against the state that it was begun from.
 */
import { useEffect, useMemo, useState } from "preact/hooks";

import { Problem, under } from "../api.js";
import { useConsole } from "../context.js";
import { inForm } from "../model/fields.js";
import { locate, nodeAt, pretty } from "../model/json.js";
import type { DryRun, History } from "../shapes.js";
import { useCheck, type Checked } from "./check.js";
import { Refused, counted } from "./common.js";
import { Conflict, type Theirs } from "./conflict.js";
import { Reason } from "./confirm.js";
import { Difference } from "./difference.js";
import { DocumentForm } from "./document_form.js";
import { useDraft, type Draft } from "./draft.js";
import { JsonPane, type Marked } from "./json_pane.js";
import { Preview } from "./preview.js";

export interface State {
  readonly text: string;
  /** Empty for a tenant that is yet to be made. */
  readonly etag: string;
}

interface Edited {
  /** Under which name a draft is kept: the tenant's, which a new one has with a plus. */
  readonly tenant: string;
  readonly state: State;
  readonly readOnly: boolean;
  readonly onSaved: (tenant: string, state: State) => void;
}

export function Editor({ tenant, state, readOnly, onSaved }: Edited) {
  const { drafts } = useConsole();
  const kept = drafts.get(tenant);
  const [base, setBase] = useState<State>(kept?.base ?? state);
  const draft = useDraft(kept?.text ?? base.text);
  const changed = draft.reading.text !== base.text;
  const creating = base.etag === "";
  const sound = draft.reading.mistakes.length === 0 && draft.reading.root?.type === "object";
  const named = creating ? String(nodeAt(draft.reading, ["tenant"])?.value ?? "") : tenant;
  const checked = useCheck(named, sound && (changed || creating) && !readOnly ? draft.reading.text : null, creating);
  useEffect(() => {
    if (changed) drafts.set(tenant, { base, text: draft.reading.text });
    else drafts.delete(tenant);
  }, [drafts, tenant, base, changed, draft.reading.text]);
  useEffect(() => {
    if (!changed && state.etag !== base.etag) {
      setBase(state);
      draft.write(state.text);
    }
  }, [state]);
  useLeaving(changed);
  function saved(next: State) {
    drafts.delete(tenant);
    setBase(next);
    draft.write(next.text);
    onSaved(named, next);
  }
  return (
    <>
      <div class="editor">
        <section class="form" aria-labelledby="form"><h2 id="form">Form</h2><DocumentForm draft={draft} faults={checked?.faults ?? []} readOnly={readOnly} /></section>
        <section class="source" aria-labelledby="source">
          <h2 id="source">JSON</h2>
          <JsonPane text={draft.reading.text} marks={marks(draft, checked)} readOnly={readOnly} onInput={draft.write} />
          <Elsewhere checked={checked} />
          {!readOnly && <p class="actions"><button type="button" onClick={() => document.getElementById("review")?.focus()}>Go to review and save <span aria-hidden="true">↓</span></button></p>}
        </section>
      </div>
      {!readOnly && (
        <Review draft={draft} base={base} checked={checked} named={named} onSaved={saved} onRebased={(theirs, text) => { setBase(theirs); draft.write(text); }} />
      )}
    </>
  );
}

/** Faults of what only the JSON shows are said beside it; this says that there are such. */
function Elsewhere({ checked }: { checked: Checked | null }) {
  const elsewhere = (checked?.faults ?? []).filter(({ pointer }) => !inForm(pointer));
  return elsewhere.length === 0 ? null : <p class="help">{counted(elsewhere.length, "fault")} can be mended in the JSON alone.</p>;
}

interface Reviewed {
  readonly draft: Draft;
  readonly base: State;
  readonly checked: Checked | null;
  readonly named: string;
  readonly onSaved: (state: State) => void;
  readonly onRebased: (theirs: State, text: string) => void;
}

function Review({ draft, base, checked, named, onSaved, onRebased }: Reviewed) {
  const { announce, drafts } = useConsole();
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [theirs, setTheirs] = useState<Theirs | null>(null);
  const saving = useSaving(named, base);
  const { text } = draft.reading;
  const creating = base.etag === "";
  const [before, after] = useMemo(() => [pretty(base.text), pretty(text)], [base.text, text]);
  const current = checked?.of === text ? checked : null;
  const hindrance = hinders(draft, current, before === after && !creating);
  async function save(event: Event) {
    event.preventDefault();
    if (hindrance !== null || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      const outcome = await saving(text, reason);
      if ("versions" in outcome) {
        setTheirs(outcome);
      } else {
        setReason("");
        announce(creating ? `${named} is there.` : "Saved, and in force.");
        onSaved(outcome);
      }
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  }
  function discard() {
    drafts.delete(named);
    draft.write(base.text);
    setTheirs(null);
    announce("The draft is discarded.");
  }
  return (
    <section class="review" aria-labelledby="review">
      <h2 id="review" tabIndex={-1}>Review and save</h2>
      {theirs && (
        <Conflict
          base={before}
          mine={after}
          theirs={theirs}
          onRebased={(merged) => { onRebased(theirs, merged); setTheirs(null); announce("Your changes are made upon the present version. Review them, then save."); }}
        />
      )}
      {!creating && <Difference before={before} after={after} label="What the draft changes" />}
      <div class="verdict">
        {current?.preview && !creating && <Preview preview={current.preview} />}
        {current?.problem && <Refused error={current.problem} />}
      </div>
      <form onSubmit={save}>
        <Reason id="reason" value={reason} onInput={setReason} />
        {error !== undefined && <Refused error={error} title="Not saved" />}
        <p class="actions">
          <button type="submit" class="main" aria-disabled={hindrance !== null || busy} aria-describedby="hindrance">{creating ? "Create the tenant" : "Save"}</button>
          {!creating && <button type="button" disabled={before === after} onClick={discard}>Discard the draft</button>}
          <span id="hindrance" class="help" role="status">{hindrance ?? accepted(current?.preview ?? null)}</span>
        </p>
      </form>
    </section>
  );
}

/** Puts the draft in force; of a conflict, what there is now. */
function useSaving(tenant: string, base: State): (text: string, reason: string) => Promise<State | Theirs> {
  const { api } = useConsole();
  return async (text, reason) => {
    const place = under(tenant);
    const condition = base.etag === "" ? { creating: true } : { ifMatch: base.etag };
    try {
      const answer = await api.call(place, { method: "PUT", body: text, reason, ...condition });
      return { text: pretty(answer.text), etag: answer.etag };
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412 || base.etag === "") throw error;
      const [now, history] = await Promise.all([api.call(place), api.call<History>(`${place}/history?limit=20`)]);
      const until = history.body.versions.findIndex(({ etag }) => `"${etag}"` === base.etag);
      const versions = history.body.versions.slice(0, until < 0 ? undefined : until);
      return { text: pretty(now.text), etag: now.etag, versions };
    }
  };
}

/** Why the draft can't be saved, null where it can. */
function hinders(draft: Draft, checked: Checked | null, unchanged: boolean): string | null {
  const { mistakes, repeats, root } = draft.reading;
  if (mistakes.length + repeats.length > 0 || root?.type !== "object") return "The JSON has faults.";
  if (unchanged) return "Nothing is changed.";
  if (checked === null) return "The gateway is asked…";
  if (checked.faults.length > 0) return `${counted(checked.faults.length, "fault")} to mend.`;
  return checked.problem ? "The gateway refuses this." : null;
}

/** The verdict in a sentence: what is shown above at length is read out in short. */
function accepted(preview: DryRun | null): string {
  const said = "The gateway accepts this document.";
  if (!preview || preview.decisions === 0) return said;
  return `${said} ${preview.differing.length} of the last ${counted(preview.decisions, "decision")} would differ.`;
}

/** The text's own mistakes and the gateway's faults, each at its place. */
function marks(draft: Draft, checked: Checked | null): Marked[] {
  const { mistakes, repeats } = draft.reading;
  if (mistakes.length > 0) return mistakes.map((mistake) => ({ ...mistake, pointer: "" }));
  const told = (checked?.faults ?? []).map((fault) => ({ ...fault, ...locate(draft.reading, fault.pointer) }));
  return [...repeats.map((repeat) => ({ ...repeat, pointer: "" })), ...(repeats.length > 0 ? [] : told)];
}

/** The browser asks before a page with an unsaved draft is left. */
function useLeaving(changed: boolean) {
  useEffect(() => {
    if (!changed) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [changed]);
}
