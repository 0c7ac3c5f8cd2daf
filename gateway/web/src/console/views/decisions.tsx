/** The tenant's last decisions, and the way from one of them to trying it again. */
import { useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { EmptyRow, Moment, Refused, Table, counted } from "../parts/common.js";
import { useLoaded } from "../parts/loading.js";
import { CameOf, Name } from "../parts/preview.js";
import { address } from "../route.js";
import type { Decision, Question } from "../shapes.js";

type Shown = "all" | "grant" | "refusal";

export function Decisions({ tenant }: { tenant: string }) {
  const { api, handed } = useConsole();
  const [shown, setShown] = useState<Shown>("all");
  const { value, error, busy, reload } = useLoaded(
    async (signal) => (await api.call<{ decisions: Decision[] }>(`${under(tenant)}/decisions`, { signal })).body.decisions,
    [api, tenant],
  );
  const found = (value ?? []).filter(({ outcome }) => shown === "all" || outcome.decision === shown);
  return (
    <>
      <div class="bar">
        <div class="field">
          <label for="shown">Show</label>
          <select id="shown" value={shown} onChange={(event) => setShown(event.currentTarget.value as Shown)}>
            <option value="all">all</option>
            <option value="grant">granted</option>
            <option value="refusal">refused</option>
          </select>
        </div>
        <button type="button" disabled={busy} onClick={reload}>Refresh</button>
      </div>
      <p class="count" role="status">{value ? counted(found.length, "decision") : "Loading…"}</p>
      {error !== undefined && <Refused error={error} />}
      <Table label="Recent decisions" head={["When", "Backend", "Name", "Size", "Type", "Caller", "Outcome", "Action"]}>
        {found.map((each, index) => (
          <tr key={index}>
            <td><Moment at={each.at} /></td>
            <td>{each.backend}</td>
            <td><Name name={each.name} /></td>
            <td class="number">{each.size}</td>
            <td>{each.content_type ?? "–"}</td>
            <td title={each.issuer}>{each.subject || "–"}</td>
            <td><CameOf outcome={each.outcome} /></td>
            <td>{each.name !== null && <a href={address(tenant, "try")} onClick={() => { handed.question = question(each); }}>Try again</a>}</td>
          </tr>
        ))}
        {value && found.length === 0 && <EmptyRow columns={8}>None are remembered.</EmptyRow>}
      </Table>
    </>
  );
}

/** What of a decision can be asked again; what was not remembered (headers, checksums) is left out. */
function question({ backend, name, size, content_type, subject, scopes }: Decision): Question {
  return {
    backend,
    name: name ?? "",
    size: String(size),
    content_type: content_type ?? "",
    headers: "",
    claims: JSON.stringify({ sub: subject, scope: scopes.join(" ") }),
  };
}
