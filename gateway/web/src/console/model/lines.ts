/** Two texts line by line, with what is the same folded away. */
import { diffLines } from "diff";

export type Kind = "same" | "added" | "removed" | "folded";

export interface Line {
  readonly kind: Kind;
  readonly text: string;
}

const AROUND = 3;

export function compared(before: string, after: string): Line[] {
  const parts = diffLines(before, after);
  return parts.flatMap((part, index) => {
    const kind: Kind = part.added ? "added" : part.removed ? "removed" : "same";
    const lines = part.value.replace(/\n$/, "").split("\n").map((text) => ({ kind, text }));
    return kind === "same" ? folded(lines, index === 0, index === parts.length - 1) : lines;
  });
}

function folded(lines: Line[], first: boolean, last: boolean): Line[] {
  const [head, tail] = [first ? 0 : AROUND, last ? 0 : AROUND];
  const hidden = lines.length - head - tail;
  if (hidden < 2) return lines;
  const said: Line = { kind: "folded", text: `${hidden} lines are the same` };
  return [...lines.slice(0, head), said, ...lines.slice(lines.length - tail)];
}
