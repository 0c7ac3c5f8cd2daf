/** What two people did to one document: their changes member by member, and one upon the other. */
import { compact, members, nodeAt, pointerOf, read, replaced, type Node, type Path, type Reading } from "./json.js";

export interface Change {
  readonly path: Path;
  readonly pointer: string;
  /** JSON, undefined where there is no such member. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** A member that both changed, each to something else. */
export interface Clash extends Change {
  readonly theirs: string | undefined;
}

export interface Rebased {
  /** Theirs with those of my changes that nobody contradicts. */
  readonly text: string;
  readonly taken: readonly Change[];
  readonly clashes: readonly Clash[];
}

/** The members that differ, as deep as both documents are objects. */
export function changes(before: string, after: string): Change[] {
  const [one, two] = [read(before), read(after)];
  return paths([one, two]).flatMap((path) => {
    const change = { path, pointer: pointerOf(path), before: json(one, path), after: json(two, path) };
    return change.before === change.after ? [] : [change];
  });
}

/** My changes of `base` made upon `theirs`. */
export function rebase(base: string, mine: string, theirs: string): Rebased {
  const [original, own, other] = [read(base), read(mine), read(theirs)];
  const taken: Change[] = [];
  const clashes: Clash[] = [];
  for (const path of paths([original, own, other])) {
    const [before, after, present] = [json(original, path), json(own, path), json(other, path)];
    if (before === after || after === present) continue;
    const change = { path, pointer: pointerOf(path), before, after };
    if (present === before) taken.push(change);
    else clashes.push({ ...change, theirs: present });
  }
  return { text: applied(theirs, taken), taken, clashes };
}

/** The text with these changes made. */
export function applied(text: string, made: readonly Change[]): string {
  return made.reduce((changed, { path, after }) => replaced(changed, path, after), text);
}

/** Every path at which the documents can be compared: where one of them is no object, it ends. */
function paths(readings: readonly Reading[]): Path[] {
  function walk(path: Path, nodes: readonly (Node | undefined)[]): Path[] {
    if (!nodes.every((node) => node?.type === "object")) return [path];
    const names = new Set(nodes.flatMap((node) => members(node).map(([name]) => name)));
    return [...names].flatMap((name) => walk([...path, name], nodes.map((node) => new Map(members(node)).get(name))));
  }
  return walk([], readings.map((reading) => reading.root));
}

function json(reading: Reading, path: Path): string | undefined {
  const node = nodeAt(reading, path);
  return node && compact(reading, node);
}
