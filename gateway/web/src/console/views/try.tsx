/** One request tried without sending it: what would be decided, and what every rule says. */
import { useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { Outcome, Refused, Table } from "../parts/common.js";
import type { Evaluation, Question } from "../shapes.js";

const FIRST: Question = {
  backend: "proxy",
  name: "holiday/photo.png",
  size: "20480",
  content_type: "image/png",
  headers: "",
  claims: '{"sub": "ada", "scope": "files:write"}',
};

export function Try({ tenant }: { tenant: string }) {
  const { api, handed } = useConsole();
  const [question, setQuestion] = useState<Question>(() => {
    const given = handed.question;
    handed.question = null;
    return given ?? FIRST;
  });
  const [answer, setAnswer] = useState<Evaluation | null>(null);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const enter = (member: keyof Question) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setQuestion((last) => ({ ...last, [member]: value }));
  };
  async function submit(event: Event) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      setAnswer((await api.call<Evaluation>(`${under(tenant)}/evaluate`, { method: "POST", body: asked(question) })).body);
    } catch (refused) {
      setAnswer(null);
      setError(refused);
    }
    setBusy(false);
  }
  return (
    <div class="try">
      <form onSubmit={submit} aria-label="The request">
        <div class="fields">
          <div class="field">
            <label for="backend">Backend</label>
            <select id="backend" value={question.backend} onChange={enter("backend")}>
              {["proxy", "presigned", "edge"].map((each) => <option key={each} value={each}>{each}</option>)}
            </select>
          </div>
          <div class="field"><label for="name">Name</label><input id="name" value={question.name} autocomplete="off" spellcheck={false} onInput={enter("name")} /></div>
          <div class="field"><label for="size">Size in bytes</label><input id="size" class="number" inputMode="numeric" value={question.size} autocomplete="off" onInput={enter("size")} /></div>
          <div class="field"><label for="type">Content-Type</label><input id="type" value={question.content_type} autocomplete="off" spellcheck={false} onInput={enter("content_type")} /></div>
        </div>
        <div class="field">
          <label for="headers">Other headers</label>
          <textarea id="headers" rows={2} value={question.headers} spellcheck={false} aria-describedby="headers-help" onInput={enter("headers")} />
          <span class="help" id="headers-help">One a line: If-None-Match: *</span>
        </div>
        <div class="field">
          <label for="claims">Claims</label>
          <textarea id="claims" rows={3} value={question.claims} spellcheck={false} aria-describedby="claims-help" onInput={enter("claims")} />
          <span class="help" id="claims-help">As a verified token would have them, in JSON. Without iss, a caller of this tenant.</span>
        </div>
        <p class="actions"><button type="submit" class="main" disabled={busy}>Try</button></p>
      </form>
      <section class="answer" aria-label="The answer" aria-live="polite">
        {error !== undefined && <Refused error={error} title="The question is not valid" />}
        {answer && <Answered answer={answer} />}
      </section>
    </div>
  );
}

const MARKS = { passed: "✓ ", refused: "✕ ", "not-reached": "· " } as const;
const WORDS = { passed: "passed", refused: "refused", "not-reached": "not reached" } as const;

function Answered({ answer }: { answer: Evaluation }) {
  const granted = answer.decision === "grant";
  return (
    <>
      <h2><Outcome granted={granted}>{granted ? "Granted" : "Refused"}</Outcome> <span class="fine">by version {answer.policy_version}</span></h2>
      {answer.problem && <p><code>{answer.problem.type.split(":").at(-1)}</code> ({answer.problem.status}): {answer.problem.detail}</p>}
      {answer.grant && (
        <dl class="facts">
          <dt>Key</dt><dd><code>{answer.grant.key}</code></dd>
          <dt>May overwrite</dt><dd>{answer.grant.create_only ? "no" : "yes"}</dd>
          {Object.entries(answer.grant.headers).map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name}=`}><code>{value}</code></dd>])}
        </dl>
      )}
      <Table label="Rules" head={["Rule", "Outcome"]}>
        {answer.rules.map(({ rule, outcome }) => (
          <tr key={rule} class={outcome}>
            <th scope="row">{rule}</th>
            <td><span class={outcome === "refused" ? "tag bad" : outcome === "passed" ? "tag good" : "tag"}><span aria-hidden="true">{MARKS[outcome]}</span>{WORDS[outcome]}</span></td>
          </tr>
        ))}
      </Table>
    </>
  );
}

/** The question as JSON text. What is no number and what is no JSON goes as it is: the gateway says what is wrong. */
function asked({ backend, name, size, content_type, headers, claims }: Question): string {
  const pairs = headers.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [line.trim(), ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const members = {
    backend: JSON.stringify(backend),
    name: JSON.stringify(name),
    size: /^[0-9]+$/.test(size) ? String(BigInt(size)) : JSON.stringify(size),
    content_type: content_type === "" ? "null" : JSON.stringify(content_type),
    headers: JSON.stringify(Object.fromEntries(pairs)),
    claims: claims.trim() || "{}",
  };
  return `{${Object.entries(members).map(([member, json]) => `${JSON.stringify(member)}: ${json}`).join(", ")}}`;
}
