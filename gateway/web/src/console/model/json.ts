/**
 * A document as text, which is the one model that form and JSON show.
 *
 * The form reads members from the text and writes them into it, so the two can't disagree, and a number keeps its
 * digits whatever JavaScript would make of it. A path is a list of members and indexes; a pointer is RFC 6901.
 */
import { applyEdits, findNodeAtLocation, modify, parseTree, printParseErrorCode, type Node, type ParseError } from "jsonc-parser";

export type Path = readonly (string | number)[];
export type { Node };

/** What is wrong with the text itself; `offset` and `length` are in UTF-16 units, as in a text area. */
export interface Mistake {
  readonly detail: string;
  readonly offset: number;
  readonly length: number;
}

export interface Reading {
  readonly text: string;
  readonly root: Node | undefined;
  /** That it is no JSON: there is nothing that a form could show. */
  readonly mistakes: readonly Mistake[];
  /** Members that an object has twice: the gateway refuses them, where most parsers take the last one. */
  readonly repeats: readonly Mistake[];
}

export function read(text: string): Reading {
  const deep = tooDeep(text);
  if (deep !== null) return { text, root: undefined, mistakes: [{ detail: `this is nested deeper than ${DEEPEST} levels`, offset: deep, length: 1 }], repeats: [] };
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  const mistakes = errors.map((error) => ({ detail: sentence(error), offset: error.offset, length: error.length }));
  return { text, root, mistakes, repeats: root ? repeated(root) : [] };
}

/** Levels; the gateway takes no more either, and what walks the tree goes down as many calls. */
const DEEPEST = 32;

/** Where the text begins a level too many, null where it does not. */
function tooDeep(text: string): number | null {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\\n]|\\.)*"|[[{}\]]/g)) {
    if (token === "[" || token === "{") depth += 1;
    else if (token === "]" || token === "}") depth -= 1;
    if (depth > DEEPEST) return index;
  }
  return null;
}

export function nodeAt(reading: Reading, path: Path): Node | undefined {
  return reading.root && findNodeAtLocation(reading.root, [...path]);
}

/** A node's own text. */
export function raw(reading: Reading, node: Node): string {
  return reading.text.slice(node.offset, node.offset + node.length);
}

export function rawAt(reading: Reading, path: Path): string | undefined {
  const node = nodeAt(reading, path);
  return node && raw(reading, node);
}

/** The members of an object with their nodes; of anything else none. */
export function members(node: Node | undefined): [string, Node][] {
  if (node?.type !== "object") return [];
  return (node.children ?? []).flatMap((property) => {
    const [name, value] = property.children ?? [];
    return name && value ? [[String(name.value), value] as [string, Node]] : [];
  });
}

/** The items of an array; of anything else none. */
export function items(node: Node | undefined): Node[] {
  return node?.type === "array" ? (node.children ?? []) : [];
}

/** The text with this JSON in the place of what is at `path`, and else as it is; undefined takes the member out. */
export function replaced(text: string, path: Path, json: string | undefined): string {
  const reading = read(text);
  const present = nodeAt(reading, path);
  if (json === undefined) return present ? applyEdits(text, modify(text, [...path], undefined, {})) : text;
  if (present) return spliced(text, present.offset, present.length, indented(json, indentAt(text, present.offset)));
  return path.length === 0 ? json : added(reading, path, json);
}

/** A new member at the end of its object, on a line of its own where the one before it is. */
function added(reading: Reading, path: Path, json: string): string {
  const [parents, name] = [path.slice(0, -1), JSON.stringify(path.at(-1))];
  const parent = nodeAt(reading, parents);
  if (parent?.type !== "object") return replaced(reading.text, parents, `{${name}: ${json}}`);
  const before = parent.children?.at(-1);
  const indent = indentAt(reading.text, before?.offset ?? parent.offset) + (before ? "" : "  ");
  const member = `${name}: ${indented(json, indent)}`;
  if (before) return spliced(reading.text, before.offset + before.length, 0, `,\n${indent}${member}`);
  return spliced(reading.text, parent.offset, parent.length, `{\n${indent}${member}\n${indent.slice(2)}}`);
}

function spliced(text: string, offset: number, length: number, put: string): string {
  return text.slice(0, offset) + put + text.slice(offset + length);
}

/** What the line begins with that this place is in. */
function indentAt(text: string, offset: number): string {
  return /^ */.exec(text.slice(text.lastIndexOf("\n", offset - 1) + 1))?.[0] ?? "";
}

/** JSON laid out for a line of this indentation. */
function indented(json: string, indent: string): string {
  const reading = read(json);
  return reading.root && reading.mistakes.length === 0 ? laidOut(reading, reading.root, indent) : json;
}

/** The text laid out evenly: a member a line, short lists on one. Text that is no JSON stays as it is. */
export function pretty(text: string): string {
  const reading = read(text);
  return reading.root && reading.mistakes.length === 0 ? `${laidOut(reading, reading.root, "")}\n` : text;
}

/** The same without line breaks, for comparing. */
export function compact(reading: Reading, node: Node): string {
  if (node.type === "object") {
    return `{${members(node).map(([name, value]) => `${JSON.stringify(name)}: ${compact(reading, value)}`).join(", ")}}`;
  }
  return node.type === "array" ? `[${items(node).map((item) => compact(reading, item)).join(", ")}]` : raw(reading, node);
}

const WIDEST = 96;

function laidOut(reading: Reading, node: Node, indent: string): string {
  const deeper = `${indent}  `;
  const inner =
    node.type === "object"
      ? members(node).map(([name, value]) => `${JSON.stringify(name)}: ${laidOut(reading, value, deeper)}`)
      : items(node).map((item) => laidOut(reading, item, deeper));
  const short = compact(reading, node);
  const flat = node.type !== "object" && !items(node).some((item) => item.type === "object");
  if (inner.length === 0 || (flat && indent.length + short.length <= WIDEST)) return short;
  const [open, close] = node.type === "object" ? ["{", "}"] : ["[", "]"];
  return `${open}\n${inner.map((each) => deeper + each).join(",\n")}\n${indent}${close}`;
}

export function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Where a pointer leads in the text; of what is missing, the nearest part around it that is there. */
export function locate(reading: Reading, pointer: string): { offset: number; length: number } {
  let node = reading.root;
  for (const step of pointer.split("/").slice(1).map((each) => each.replaceAll("~1", "/").replaceAll("~0", "~"))) {
    const next = node?.type === "array" ? items(node)[Number(step)] : last(members(node).filter(([name]) => name === step));
    if (!next) break;
    node = next;
  }
  return node ? { offset: node.offset, length: node.length } : { offset: 0, length: 0 };
}

function last(found: [string, Node][]): Node | undefined {
  return found.at(-1)?.[1];
}

/** The number of the line, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function repeated(node: Node): Mistake[] {
  const seen = new Set<string>();
  const twice = (node.type === "object" ? (node.children ?? []) : []).flatMap((property) => {
    const name = property.children?.[0];
    if (!name || !seen.has(String(name.value))) {
      seen.add(String(name?.value));
      return [];
    }
    return [{ detail: `${JSON.stringify(name.value)} is there twice`, offset: name.offset, length: name.length }];
  });
  return [...twice, ...(node.children ?? []).flatMap(repeated)];
}

const SENTENCES: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is no JSON",
  InvalidNumberFormat: "this is no number",
  PropertyNameExpected: "a member's name in double quotes is expected",
  ValueExpected: "a value is expected",
  ColonExpected: "a colon is expected",
  CommaExpected: "a comma is expected",
  CloseBraceExpected: "a } is expected",
  CloseBracketExpected: "a ] is expected",
  EndOfFileExpected: "nothing may follow the document",
  InvalidCommentToken: "JSON has no comments",
  UnexpectedEndOfString: "the text in quotes does not end",
  InvalidUnicode: "this is no escape: \\u and four digits",
  InvalidEscapeCharacter: "this is no escape",
  InvalidCharacter: "a control character must be escaped",
};

function sentence(error: ParseError): string {
  return SENTENCES[printParseErrorCode(error.error)] ?? "this is no JSON";
}
