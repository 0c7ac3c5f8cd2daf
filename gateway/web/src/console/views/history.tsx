/** Every version with who, when and why; any two compared; and the way back. */
import { useEffect, useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { pretty, rawAt, read } from "../model/json.js";
import { EmptyRow, Moment, Refused, Table } from "../parts/common.js";
import { Confirm } from "../parts/confirm.js";
import { Difference } from "../parts/difference.js";
import type { History, Version } from "../shapes.js";

/** A version with its document as text, empty where it was a deletion. */
interface Kept extends Version {
  readonly text: string;
}

interface Shown {
  readonly tenant: string;
  readonly etag: string;
  readonly readOnly: boolean;
  readonly onChanged: () => void;
}

export function HistoryView({ tenant, etag, readOnly, onChanged }: Shown) {
  const { api, announce } = useConsole();
  const { versions, cursor, known, error, more } = useVersions(tenant, etag);
  const [chosen, setChosen] = useState<{ from?: number; to?: number }>({});
  const [back, setBack] = useState<Kept | null>(null);
  const at = (number: number | undefined, otherwise: number) => versions.find(({ version }) => version === number) ?? versions[otherwise];
  const [from, to] = [at(chosen.from, 1), at(chosen.to, 0)];
  const present = versions.find((each) => `"${each.etag}"` === etag);
  async function rollBack(reason: string) {
    if (!back) return;
    await api.call(`${under(tenant)}/rollback`, { method: "POST", body: JSON.stringify({ version: back.version }), ifMatch: etag, reason });
    setBack(null);
    setChosen({});
    announce(`The document of version ${back.version} is in force again, as a new version.`);
    onChanged();
  }
  return (
    <>
      {error !== undefined && <Refused error={error} />}
      <Table label="Versions" head={["Version", "When", "By", "Reason", "Action"]}>
        {versions.map((each) => (
          <tr key={each.version}>
            <th scope="row">{each.version} {each === present && <span class="tag good">in force</span>}</th>
            <td><Moment at={each.at} /></td>
            <td class="wide">{each.by}</td>
            <td>{each.text === "" && <strong>Deleted. </strong>}{each.reason || <span class="fine">none given</span>}</td>
            <td>{each !== present && each.text !== "" && !readOnly && <button type="button" class="small" onClick={() => setBack(each)}>Roll back to {each.version}</button>}</td>
          </tr>
        ))}
        {versions.length === 0 && <EmptyRow columns={5}>{known ? "No versions are kept." : error === undefined ? "Loading…" : "Unknown."}</EmptyRow>}
      </Table>
      {cursor !== null && <p class="actions"><button type="button" onClick={more}>Load more</button></p>}
      {from && to && (
        <section aria-labelledby="compare">
          <h2 id="compare">Compare</h2>
          <div class="bar">
            <Choice label="From version" versions={versions} value={from} onValue={(version) => setChosen((last) => ({ ...last, from: version }))} />
            <Choice label="To version" versions={versions} value={to} onValue={(version) => setChosen((last) => ({ ...last, to: version }))} />
          </div>
          <Difference before={from.text} after={to.text} label={`From version ${from.version} to ${to.version}`} />
        </section>
      )}
      {back && (
        <Confirm title={`Roll back to version ${back.version}?`} action="Roll back" onConfirm={rollBack} onCancel={() => setBack(null)}>
          <p>Its document becomes a new version, in force at once.</p>
          <Difference before={present?.text ?? ""} after={back.text} label="What rolling back changes" />
        </Confirm>
      )}
    </>
  );
}

function Choice({ label, versions, value, onValue }: { label: string; versions: readonly Kept[]; value: Kept; onValue: (version: number) => void }) {
  const id = label.replaceAll(" ", "-");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={String(value.version)} onChange={(event) => onValue(Number(event.currentTarget.value))}>
        {versions.map((each) => <option key={each.version} value={String(each.version)}>{each.version}{each.reason && `: ${each.reason.slice(0, 40)}`}</option>)}
      </select>
    </div>
  );
}

/** The pages of the history loaded so far; from the beginning when another version is in force. */
function useVersions(tenant: string, etag: string) {
  const { api } = useConsole();
  const [found, setFound] = useState<{ versions: readonly Kept[]; cursor: string | null; known: boolean }>({ versions: [], cursor: null, known: false });
  const [error, setError] = useState<unknown>();
  async function load(before: readonly Kept[], cursor: string | null) {
    try {
      const query = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const answer = await api.call<History>(`${under(tenant)}/history?limit=50${query}`);
      setFound({ versions: [...before, ...withTexts(answer.text, answer.body.versions)], cursor: answer.body.cursor, known: true });
    } catch (told) {
      setError(told);
    }
  }
  useEffect(() => void load([], null), [api, tenant, etag]);
  return { ...found, error, more: () => void load(found.versions, found.cursor) };
}

/** The documents as the answer has them, so that no number loses digits on its way through JavaScript. */
function withTexts(answer: string, versions: readonly Version[]): Kept[] {
  const reading = read(answer);
  return versions.map((version, index) => {
    const text = version.document === null ? "" : pretty(rawAt(reading, ["versions", index, "document"]) ?? "");
    return { ...version, text };
  });
}
