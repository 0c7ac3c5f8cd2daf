/** Signing in: the operator pastes a token, and the gateway says whether it is one. */
import { useEffect, useRef, useState } from "preact/hooks";

import { Api, type Problem } from "../api.js";
import { Heading, Refused } from "../parts/common.js";
import { readSession, type Session } from "../session.js";

export function SignIn({ refused, onSession }: { refused: Problem | null; onSession: (session: Session) => void }) {
  const [pasted, setPasted] = useState("");
  const [fault, setFault] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  async function submit(event: Event) {
    event.preventDefault();
    setError(undefined);
    const session = readSession(pasted);
    if (session === null) {
      setFault("This is no token: a token has three parts with dots between them.");
      field.current?.focus();
      return;
    }
    setFault("");
    setBusy(true);
    try {
      await new Api(session.token, () => undefined).call("?limit=1");
      onSession(session);
    } catch (told) {
      setError(told);
      setBusy(false);
      field.current?.focus();
    }
  }
  return (
    <section class="sign-in">
      <Heading title="Sign in">Sign in</Heading>
      <p>Paste an operator's token: one of the operators' issuer with the scope <code>tenants:admin</code>.</p>
      {refused && error === undefined && <Refused error={refused} title="You are signed out" />}
      <form onSubmit={submit}>
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token"
            type="password"
            ref={field}
            value={pasted}
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            aria-describedby="token-notes"
            aria-invalid={fault !== ""}
            onInput={(event) => setPasted(event.currentTarget.value)}
          />
          <div class="notes" id="token-notes">
            <span class="help">It stays in this tab, and goes when the tab is closed. The demo prints one: <code>upload-gateway token --admin</code></span>
            {fault && <ul class="faults"><li role="alert"><span aria-hidden="true">✕ </span>{fault}</li></ul>}
          </div>
        </div>
        {error !== undefined && <Refused error={error} />}
        <p class="actions"><button type="submit" class="main" disabled={busy}>Sign in</button></p>
      </form>
    </section>
  );
}
