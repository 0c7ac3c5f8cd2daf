/** A question before what can't be taken back: modal, with its reason for the history, and Escape is no. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { Refused } from "./common.js";

interface Asked {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly action: string;
  /** What has to be typed to show that it is meant. */
  readonly typed?: string;
  /** The view behind is up to date when the promise is kept, and the dialog is gone. */
  readonly onConfirm: (reason: string) => Promise<void>;
  /** What was asked about is gone then, and with it the button that the focus would go back to. */
  readonly ends?: boolean;
  readonly onCancel: () => void;
}

export function Confirm({ title, children, action, typed, ends = false, onConfirm, onCancel }: Asked) {
  const dialog = useRef<HTMLDialogElement>(null);
  const done = useRef(false);
  const id = useId();
  const [reason, setReason] = useState("");
  const [word, setWord] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      const next = ends && done.current ? document.querySelector("main h1") : before;
      if (next instanceof HTMLElement && next.isConnected) next.focus();
    };
  }, []);
  async function submit(event: Event) {
    event.preventDefault();
    setBusy(true);
    try {
      done.current = true;
      await onConfirm(reason);
    } catch (refused) {
      done.current = false;
      setError(refused);
      setBusy(false);
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby={`${id}-title`} onCancel={(event) => { event.preventDefault(); onCancel(); }}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>{title}</h2>
        {children}
        {typed !== undefined && (
          <p class="field">
            <label for={`${id}-typed`}>Type <strong>{typed}</strong> to go on</label>
            <input id={`${id}-typed`} value={word} autocomplete="off" onInput={(event) => setWord(event.currentTarget.value)} />
          </p>
        )}
        <Reason id={`${id}-reason`} value={reason} onInput={setReason} />
        {error !== undefined && <Refused error={error} />}
        <p class="actions">
          <button type="submit" class="danger" disabled={busy || (typed !== undefined && word !== typed)}>{action}</button>
          <button type="button" onClick={onCancel}>Cancel</button>
        </p>
      </form>
    </dialog>
  );
}

/** Why something is changed, for the history and the audit. */
export function Reason({ id, value, onInput }: { id: string; value: string; onInput: (value: string) => void }) {
  return (
    <p class="field">
      <label for={id}>Reason</label>
      <input id={id} value={value} maxLength={500} autocomplete="off" aria-describedby={`${id}-help`} onInput={(event) => onInput(event.currentTarget.value)} />
      <span class="help" id={`${id}-help`}>For the history and the audit.</span>
    </p>
  );
}
