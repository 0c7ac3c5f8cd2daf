/** Somebody else was faster: what they changed, and how this draft is made upon it. */
import { useEffect, useRef, useState } from "preact/hooks";

import { applied, rebase } from "../model/merge.js";
import type { Version } from "../shapes.js";
import { Moment, counted } from "./common.js";
import { Difference } from "./difference.js";

export interface Theirs {
  readonly text: string;
  readonly etag: string;
  /** What was put in force since the draft was begun, newest first. */
  readonly versions: readonly Version[];
}

interface Asked {
  readonly base: string;
  readonly mine: string;
  readonly theirs: Theirs;
  readonly onRebased: (text: string) => void;
}

export function Conflict({ base, mine, theirs, onRebased }: Asked) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [own, setOwn] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => heading.current?.focus(), [theirs.etag]);
  const { text, taken, clashes } = rebase(base, mine, theirs.text);
  function choose(pointer: string, mineWins: boolean) {
    setOwn((last) => new Set(mineWins ? [...last, pointer] : [...last].filter((each) => each !== pointer)));
  }
  return (
    <section class="notice warn" aria-labelledby="conflict">
      <h3 id="conflict" ref={heading} tabIndex={-1}>This tenant was changed meanwhile</h3>
      <p>Nothing was saved. Your draft is still here.</p>
      <ul>
        {theirs.versions.map((each) => <li key={each.version}>Version {each.version}, <Moment at={each.at} />, by {each.by}{each.reason && <>: {each.reason}</>}</li>)}
      </ul>
      <Difference before={base} after={theirs.text} label="What they changed" />
      {taken.length > 0 && <p>{counted(taken.length, "change")} of yours can be made upon it: {taken.map(({ pointer }) => pointer).join(", ")}.</p>}
      {clashes.map((clash) => (
        <fieldset key={clash.pointer} class="field group">
          <legend>Both of you changed <code>{clash.pointer || "/"}</code></legend>
          <label class="check"><input type="radio" name={`clash${clash.pointer}`} checked={!own.has(clash.pointer)} onChange={() => choose(clash.pointer, false)} />Theirs: <code>{clash.theirs ?? "(left out)"}</code></label>
          <label class="check"><input type="radio" name={`clash${clash.pointer}`} checked={own.has(clash.pointer)} onChange={() => choose(clash.pointer, true)} />Yours: <code>{clash.after ?? "(left out)"}</code></label>
        </fieldset>
      ))}
      <p class="actions">
        <button type="button" onClick={() => onRebased(applied(text, clashes.filter(({ pointer }) => own.has(pointer))))}>Make my changes upon theirs</button>
      </p>
    </section>
  );
}
