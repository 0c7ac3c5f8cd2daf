/** The form's fields that hold several values each: backends in their order, types, rate, issuers. */
import { useContext, useState } from "preact/hooks";

import { ISSUER_FIELDS, NEW_ISSUER, NEW_RATE, RATE_FIELDS, type Field } from "../model/fields.js";
import { items, members, raw, type Node } from "../model/json.js";
import { Faults, Grouped, Simple, Unfit, useBound, type Bound } from "./fields.js";
import { FormContext } from "./draft.js";

/** Any field of the table. */
export function FieldOf({ field }: { field: Field }) {
  switch (field.kind) {
    case "order":
      return <Order field={field} />;
    case "types":
      return <Types field={field} />;
    case "rate":
      return <Rate field={field} />;
    case "issuers":
      return <Issuers field={field} />;
    default:
      return <Simple field={field} />;
  }
}

/** Which options, and in which order: a checkbox each, and a button that moves one up. */
function Order({ field }: { field: Field }) {
  const bound = useBound(field.path);
  const present = items(bound.node).map((item) => String(item.value));
  const options = [...present, ...(field.options ?? []).filter((option) => !present.includes(option))];
  const write = (values: readonly string[]) => bound.set(JSON.stringify(values).replaceAll(",", ", "));
  function up(index: number) {
    write(present.map((each, at) => (at === index - 1 ? present[index] : at === index ? present[index - 1] : each) ?? each));
  }
  return (
    <Grouped field={field} bound={bound}>
      <ol class="order">
        {options.map((option, index) => {
          const at = present.indexOf(option);
          return (
            <li key={option}>
              <label class="check">
                <input type="checkbox" checked={at >= 0} disabled={bound.locked} onChange={() => write(at >= 0 ? present.filter((each) => each !== option) : [...present, option])} />
                {option}
              </label>
              {at > 0 && <button type="button" class="small" disabled={bound.locked} onClick={() => up(index)}>Prefer <span class="sr">{option}</span> <span aria-hidden="true">↑</span></button>}
            </li>
          );
        })}
      </ol>
    </Grouped>
  );
}

/** Media types and their extensions, a row each. */
function Types({ field }: { field: Field }) {
  const bound = useBound(field.path);
  const rows = members(bound.node).map(([type, node]) => ({ type, extensions: items(node).map((item) => String(item.value)) }));
  const fits = bound.node?.type === "object" && members(bound.node).every(([, node]) => node.type === "array" && items(node).every((item) => item.type === "string"));
  if (bound.node && !fits) return <Unfit field={field} bound={bound} />;
  function write(changed: typeof rows) {
    bound.set(`{${changed.map(({ type, extensions }) => `${JSON.stringify(type)}: ${JSON.stringify(extensions).replaceAll('","', '", "')}`).join(", ")}}`);
  }
  return (
    <Grouped field={field} bound={bound}>
      <ul class="rows">
        {rows.map((row, index) => (
          <li key={index} class="row">
            <label>Type<input value={row.type} placeholder="image/png" spellcheck={false} disabled={bound.locked} onInput={(event) => write(rows.map((each, at) => (at === index ? { ...each, type: event.currentTarget.value } : each)))} /></label>
            <label>Extensions<span class="sr"> of {row.type || "this type"}</span><Extensions values={row.extensions} locked={bound.locked} onValues={(extensions) => write(rows.map((each, at) => (at === index ? { ...each, extensions } : each)))} /></label>
            <button type="button" class="small" disabled={bound.locked} onClick={() => write(rows.filter((_, at) => at !== index))}>Remove<span class="sr"> {row.type || "this type"}</span></button>
          </li>
        ))}
      </ul>
      <button type="button" class="small" disabled={bound.locked} onClick={() => write([...rows, { type: "", extensions: [] }])}>Add a type</button>
    </Grouped>
  );
}

/** Extensions between spaces; what is typed stays as it is typed while it is, and is in the JSON at once. */
function Extensions({ values, locked, onValues }: { values: readonly string[]; locked: boolean; onValues: (values: string[]) => void }) {
  const [typed, setTyped] = useState<string | null>(null);
  function input(text: string) {
    setTyped(text);
    onValues(text.split(/[\s,]+/).filter((each) => each !== ""));
  }
  return (
    <input
      value={typed ?? values.join(" ")}
      placeholder="any"
      spellcheck={false}
      disabled={locked}
      onInput={(event) => input(event.currentTarget.value)}
      onBlur={() => setTyped(null)}
    />
  );
}

function Rate({ field }: { field: Field }) {
  const bound = useBound(field.path);
  const limited = bound.node !== undefined && bound.node.type !== "null";
  return (
    <Grouped field={field} bound={limited ? { ...bound, faults: bound.faults.filter(({ pointer }) => pointer === "/rate") } : bound}>
      <label class="check">
        <input type="checkbox" checked={limited} disabled={bound.locked} onChange={() => bound.set(limited ? "null" : NEW_RATE)} />
        Limit the rate
      </label>
      {limited && <div class="fields">{RATE_FIELDS.map((each) => <Simple key={each.label} field={each} under={field.path} />)}</div>}
    </Grouped>
  );
}

function Issuers({ field }: { field: Field }) {
  const bound = useBound(field.path);
  const context = useContext(FormContext);
  if (bound.node && bound.node.type !== "array") return <Unfit field={field} bound={bound} />;
  const entries = items(bound.node);
  const texts = entries.map((node) => (context ? raw(context.draft.reading, node) : ""));
  const write = (changed: readonly string[]) => bound.set(changed.length === 0 ? "[]" : `[${changed.join(", ")}]`);
  return (
    <Grouped field={field} bound={{ ...bound, faults: bound.faults.filter(({ pointer }) => pointer === "/issuers") }}>
      {entries.map((node, index) => (
        <fieldset key={index} class="issuer">
          <legend>Issuer {index + 1}</legend>
          <Issuer node={node} index={index} bound={bound} />
          <button type="button" class="small" disabled={bound.locked} onClick={() => write(texts.filter((_, at) => at !== index))}>Remove issuer {index + 1}</button>
        </fieldset>
      ))}
      <button type="button" class="small" disabled={bound.locked} onClick={() => write([...texts, NEW_ISSUER])}>Add an issuer</button>
    </Grouped>
  );
}

function Issuer({ node, index, bound }: { node: Node; index: number; bound: Bound }) {
  const own = bound.faults.filter(({ pointer }) => pointer === `/issuers/${index}`);
  if (node.type !== "object") return <p class="unfit">The JSON has no object here, which this form can't show. Change it there.</p>;
  return (
    <>
      <div class="fields">{ISSUER_FIELDS.map((each) => <Simple key={each.label} field={each} under={["issuers", index]} />)}</div>
      <Faults faults={own} path={["issuers", index]} />
    </>
  );
}
