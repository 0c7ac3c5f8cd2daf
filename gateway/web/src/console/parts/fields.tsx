/** The form's fields. Each shows what is in the text at its path, and writes into the text and nowhere else. */
import type { ComponentChildren } from "preact";
import { useContext, useId } from "preact/hooks";

import type { Fault } from "../api.js";
import type { Field } from "../model/fields.js";
import { items, nodeAt, pointerOf, raw, type Node, type Path } from "../model/json.js";
import { FormContext } from "./draft.js";

export interface Bound {
  readonly id: string;
  readonly path: Path;
  readonly node: Node | undefined;
  readonly raw: string;
  readonly locked: boolean;
  readonly faults: readonly Fault[];
  readonly set: (json: string | undefined) => void;
}

/** What stands at a path now, and what the gateway says of it and of what is in it. */
export function useBound(path: Path): Bound {
  const context = useContext(FormContext);
  const id = useId();
  if (!context) throw new Error("a field stands in a form");
  const { draft, faults, locked } = context;
  const [node, pointer] = [nodeAt(draft.reading, path), pointerOf(path)];
  return {
    id,
    path,
    node,
    raw: node ? raw(draft.reading, node) : "",
    locked,
    faults: faults.filter((fault) => fault.pointer === pointer || fault.pointer.startsWith(`${pointer}/`)),
    set: (json) => draft.edit(path, json),
  };
}

/** A field of the table, as its kind wants it; what it can't show is edited in the JSON. */
export function Simple({ field, under = [] }: { field: Field; under?: Path }) {
  const bound = useBound([...under, ...field.path]);
  if (field.kind === "list" && bound.node && !isTexts(bound.node)) return <Unfit field={field} bound={bound} />;
  switch (field.kind) {
    case "flag":
      return <Flag field={field} bound={bound} />;
    case "choice":
      return <Choice field={field} bound={bound} />;
    case "list":
      return <Lines field={field} bound={bound} />;
    case "set":
      return <Choices field={field} bound={bound} />;
    default:
      return <Entry field={field} bound={bound} />;
  }
}

interface Shown {
  readonly field: Field;
  readonly bound: Bound;
}

/** A label, the control, its help and its faults. */
export function Labelled({ field, bound, children }: Shown & { children: ComponentChildren }) {
  return (
    <div class="field">
      <label for={bound.id}>{field.label}</label>
      {children}
      <Notes field={field} bound={bound} />
    </div>
  );
}

/** Several controls under one legend. */
export function Grouped({ field, bound, children }: Shown & { children: ComponentChildren }) {
  return (
    <fieldset class="field group" aria-describedby={`${bound.id}-notes`}>
      <legend>{field.label}</legend>
      {children}
      <Notes field={field} bound={bound} />
    </fieldset>
  );
}

function Notes({ field, bound }: Shown) {
  return (
    <div class="notes" id={`${bound.id}-notes`}>
      <span class="help">{field.help}</span>
      <Faults faults={bound.faults} path={bound.path} />
    </div>
  );
}

/** What is wrong, each with the place within the field where it has one. */
export function Faults({ faults, path }: { faults: readonly Fault[]; path: Path }) {
  if (faults.length === 0) return null;
  const own = pointerOf(path).length + 1;
  return (
    <ul class="faults">
      {faults.map((fault) => (
        <li key={fault.pointer + fault.detail}>
          <span aria-hidden="true">✕ </span>
          {fault.pointer.length > own && <><code>{fault.pointer.slice(own).replaceAll("~1", "/").replaceAll("~0", "~")}</code> </>}
          {fault.detail}
        </li>
      ))}
    </ul>
  );
}

/** What a control says of itself to a screen reader. */
function described(bound: Bound) {
  return { "aria-describedby": `${bound.id}-notes`, "aria-invalid": bound.faults.length > 0, disabled: bound.locked };
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

function Entry({ field, bound }: Shown) {
  const numeric = field.kind === "number";
  const { node } = bound;
  const shown = node === undefined || node.type === "null" ? "" : node.type === "string" ? String(node.value) : bound.raw;
  function written(value: string): string {
    if (value === "" && (field.nullable || numeric)) return "null";
    return numeric && NUMBER.test(value) ? value : JSON.stringify(value);
  }
  return (
    <Labelled field={field} bound={bound}>
      <input
        id={bound.id}
        value={shown}
        inputMode={numeric ? "decimal" : "text"}
        class={numeric ? "number" : ""}
        autocomplete="off"
        spellcheck={false}
        {...described(bound)}
        onInput={(event) => bound.set(written(event.currentTarget.value))}
      />
    </Labelled>
  );
}

function Flag({ field, bound }: Shown) {
  return (
    <div class="field">
      <label class="check">
        <input id={bound.id} type="checkbox" checked={bound.node?.value === true} {...described(bound)} onChange={(event) => bound.set(String(event.currentTarget.checked))} />
        {field.label}
      </label>
      <Notes field={field} bound={bound} />
    </div>
  );
}

function Choice({ field, bound }: Shown) {
  const options = field.options ?? [];
  const known = options.find((option) => option === bound.node?.value);
  return (
    <Labelled field={field} bound={bound}>
      <select id={bound.id} value={known ?? ""} {...described(bound)} onChange={(event) => bound.set(JSON.stringify(event.currentTarget.value))}>
        {known === undefined && <option value="">{bound.raw || "(the default)"}</option>}
        {options.map((option) => <option key={option} value={option}>{option}</option>)}
      </select>
    </Labelled>
  );
}

/** A list of texts, one a line; empty lines go when the field is left. */
function Lines({ field, bound }: Shown) {
  const texts = items(bound.node).map((item) => String(item.value));
  const write = (lines: readonly string[]) => bound.set(`[${lines.map((line) => JSON.stringify(line)).join(", ")}]`);
  return (
    <Labelled field={field} bound={bound}>
      <textarea
        id={bound.id}
        value={texts.join("\n")}
        rows={Math.min(8, Math.max(2, texts.length))}
        spellcheck={false}
        autocomplete="off"
        {...described(bound)}
        onInput={(event) => write(event.currentTarget.value === "" ? [] : event.currentTarget.value.split("\n"))}
        onBlur={() => { if (texts.includes("")) write(texts.filter((text) => text !== "")); }}
      />
    </Labelled>
  );
}

function Choices({ field, bound }: Shown) {
  const present = items(bound.node).map((item) => item.value as unknown);
  const write = (values: readonly unknown[]) => bound.set(`[${values.map((value) => JSON.stringify(value)).join(", ")}]`);
  return (
    <Grouped field={field} bound={bound}>
      {(field.options ?? []).map((option) => (
        <label key={option} class="check">
          <input
            type="checkbox"
            checked={present.includes(option)}
            disabled={bound.locked}
            onChange={(event) => write(event.currentTarget.checked ? [...present, option] : present.filter((each) => each !== option))}
          />
          {option}
        </label>
      ))}
    </Grouped>
  );
}

/** What the text holds has no place in this field. */
export function Unfit({ field, bound }: Shown) {
  return (
    <Grouped field={field} bound={bound}>
      <p class="unfit">The JSON has <code>{bound.raw}</code> here, which this field can't show. Change it there.</p>
    </Grouped>
  );
}

function isTexts(node: Node): boolean {
  return node.type === "array" && items(node).every((item) => item.type === "string" && !String(item.value).includes("\n"));
}
