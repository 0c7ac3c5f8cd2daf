/** The difference of two documents, for eyes (marks and colours) and ears (words). */
import { useMemo } from "preact/hooks";

import { compared, type Line } from "../model/lines.js";
import { counted } from "./common.js";

const MARKS = { same: "  ", added: "+ ", removed: "− ", folded: "⋯ " } as const;

export function Difference({ before, after, label }: { before: string; after: string; label: string }) {
  const lines = useMemo(() => compared(before, after), [before, after]);
  const [added, removed] = [count(lines, "added"), count(lines, "removed")];
  if (added + removed === 0) return <p class="difference-none">Nothing differs.</p>;
  return (
    <figure class="difference">
      <figcaption>{label}: {counted(removed, "line")} removed, {counted(added, "line")} added.</figcaption>
      <pre tabIndex={0} role="group" aria-label={label}>
        {lines.map((line, index) => <Shown key={index} line={line} />)}
      </pre>
    </figure>
  );
}

function Shown({ line }: { line: Line }) {
  const text = `${MARKS[line.kind]}${line.text}\n`;
  if (line.kind === "added") return <ins>{text}</ins>;
  if (line.kind === "removed") return <del>{text}</del>;
  return <span class={line.kind}>{text}</span>;
}

function count(lines: readonly Line[], kind: Line["kind"]): number {
  return lines.filter((line) => line.kind === kind).length;
}
