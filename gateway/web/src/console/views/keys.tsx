/** A tenant's API keys: made, with the secret that is shown once, and revoked. */
import { useEffect, useRef, useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { EmptyRow, Moment, Refused, Table } from "../parts/common.js";
import { Confirm, Reason } from "../parts/confirm.js";
import { useLoaded } from "../parts/loading.js";
import type { Key } from "../shapes.js";

interface Made extends Key {
  readonly secret: string;
}

export function Keys({ tenant }: { tenant: string }) {
  const { api, announce } = useConsole();
  const place = `${under(tenant)}/keys`;
  const { value, error, reload } = useLoaded(async (signal) => (await api.call<{ keys: Key[] }>(place, { signal })).body.keys, [api, tenant]);
  const [made, setMade] = useState<Made | null>(null);
  const [ending, setEnding] = useState<Key | null>(null);
  async function revoke(reason: string) {
    if (!ending) return;
    await api.call(`${place}${under(ending.id)}`, { method: "DELETE", reason });
    if (made?.id === ending.id) setMade(null);
    setEnding(null);
    announce(`The key ${ending.name} is revoked.`);
    reload();
  }
  return (
    <>
      {error !== undefined && <Refused error={error} />}
      <Table label="Keys" head={["Name", "Id", "Scopes", "Names", "Made", "Expires", "Last used", "Action"]}>
        {(value ?? []).map((key) => (
          <tr key={key.id}>
            <th scope="row">{key.name}</th>
            <td><code>{key.id}</code></td>
            <td>{key.scopes.join(" ")}</td>
            <td>{key.name_prefix === null ? "any" : <code>{key.name_prefix}…</code>}</td>
            <td><Moment at={key.created_at} /></td>
            <td>{key.expires_at === null ? "never" : <Moment at={key.expires_at} />}</td>
            <td>{key.last_used_at === null ? "never" : <Moment at={key.last_used_at} />}</td>
            <td><button type="button" class="small" onClick={() => setEnding(key)}>Revoke<span class="sr"> {key.name}</span></button></td>
          </tr>
        ))}
        {value?.length === 0 && <EmptyRow columns={8}>There are none.</EmptyRow>}
      </Table>
      {made && <Secret made={made} onDone={() => setMade(null)} />}
      <Create place={place} onMade={(key) => { setMade(key); announce(`The key ${key.name} is made.`); reload(); }} />
      {ending && (
        <Confirm title={`Revoke ${ending.name}?`} action="Revoke" ends onConfirm={revoke} onCancel={() => setEnding(null)}>
          <p>Whoever uses <code>{ending.id}</code> is refused from then on.</p>
        </Confirm>
      )}
    </>
  );
}

function Secret({ made, onDone }: { made: Made; onDone: () => void }) {
  const { announce } = useConsole();
  const heading = useRef<HTMLHeadingElement>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => heading.current?.focus(), [made.id]);
  async function copy() {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(made.secret);
      announce("The secret is in the clipboard.");
    } catch {
      announce("The secret is selected: copy it with the keyboard.");
    }
  }
  return (
    <section class="notice warn" aria-labelledby="secret">
      <h2 id="secret" ref={heading} tabIndex={-1}>The secret of {made.name}</h2>
      <p>This is the only time it is shown. Give it to whoever uses the key, and keep no copy.</p>
      <p class="secret">
        <input ref={field} aria-label="Secret" readOnly value={made.secret} autocomplete="off" spellcheck={false} />
        <button type="button" onClick={() => void copy()}>Copy</button>
        <button type="button" onClick={onDone}>I have it</button>
      </p>
    </section>
  );
}

const EMPTY = { name: "", scopes: "files:write", expires: "", prefix: "" };

function Create({ place, onMade }: { place: string; onMade: (made: Made) => void }) {
  const { api } = useConsole();
  const [wanted, setWanted] = useState(EMPTY);
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const enter = (member: keyof typeof EMPTY) => (event: { currentTarget: HTMLInputElement }) => {
    const { value } = event.currentTarget;
    setWanted((last) => ({ ...last, [member]: value }));
  };
  async function submit(event: Event) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const { body } = await api.call<Made>(place, { method: "POST", body: JSON.stringify(asked(wanted)), reason });
      setWanted(EMPTY);
      setReason("");
      onMade(body);
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  }
  return (
    <section aria-labelledby="new-key">
      <h2 id="new-key">New key</h2>
      <form onSubmit={submit}>
        <div class="fields">
          <Entry id="key-name" label="Name" help="For people: what or who uses it." value={wanted.name} onInput={enter("name")} />
          <Entry id="key-scopes" label="Scopes" help="Between spaces." value={wanted.scopes} onInput={enter("scopes")} />
          <Entry id="key-expires" label="Expires" help="In UTC; empty for never." dated value={wanted.expires} onInput={enter("expires")} />
          <Entry id="key-prefix" label="Only names that begin" help="Empty for any." value={wanted.prefix} onInput={enter("prefix")} />
        </div>
        <Reason id="key-reason" value={reason} onInput={setReason} />
        {error !== undefined && <Refused error={error} title="Not made" />}
        <p class="actions"><button type="submit" class="main" disabled={busy}>Create the key</button></p>
      </form>
    </section>
  );
}

interface Entered {
  readonly id: string;
  readonly label: string;
  readonly help: string;
  readonly value: string;
  readonly dated?: boolean;
  readonly onInput: (event: { currentTarget: HTMLInputElement }) => void;
}

function Entry({ id, label, help, value, dated = false, onInput }: Entered) {
  const shared = { id, value, autocomplete: "off", "aria-describedby": `${id}-help`, onInput } as const;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {dated ? <input type="datetime-local" {...shared} /> : <input type="text" spellcheck={false} {...shared} />}
      <span class="help" id={`${id}-help`}>{help}</span>
    </div>
  );
}

function asked({ name, scopes, expires, prefix }: typeof EMPTY) {
  const at = expires === "" ? {} : { expires_at: `${expires.length === 16 ? `${expires}:00` : expires}Z` };
  return { name, scopes: scopes.split(/\s+/).filter((scope) => scope !== ""), ...at, ...(prefix === "" ? {} : { name_prefix: prefix }) };
}
