/**
 * The document as JSON: a plain text area (which every keyboard, screen reader and phone knows how to edit) between
 * line numbers and marked lines, and the faults as a list that leads to their places.
 */
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { lineOf } from "../model/json.js";
import { counted } from "./common.js";

/** Something wrong at a place of the text. */
export interface Marked {
  readonly pointer: string;
  readonly detail: string;
  readonly offset: number;
  readonly length: number;
}

interface Pane {
  readonly text: string;
  readonly marks: readonly Marked[];
  readonly readOnly: boolean;
  readonly onInput: (text: string) => void;
}

export function JsonPane({ text, marks, readOnly, onInput }: Pane) {
  const area = useRef<HTMLTextAreaElement>(null);
  const lines = useMemo(() => text.split("\n"), [text]);
  const places = marks.map((mark) => ({ ...mark, line: lineOf(text, mark.offset) }));
  const bad = new Set(places.map(({ line }) => line));
  useLayoutEffect(() => {
    // Set only when it differs, so that the caret stays where somebody types.
    if (area.current && area.current.value !== text) area.current.value = text;
  }, [text]);
  function lead(mark: Marked) {
    area.current?.focus();
    area.current?.setSelectionRange(mark.offset, mark.offset + mark.length);
  }
  return (
    <div class="json">
      <div class="json-scroll">
        <pre class="gutter" aria-hidden="true">{lines.map((_, index) => <span key={index} class={bad.has(index + 1) ? "bad" : ""}>{bad.has(index + 1) ? "✕ " : ""}{index + 1}{"\n"}</span>)}</pre>
        <div class="json-text">
          <pre class="marks" aria-hidden="true">{lines.map((line, index) => <span key={index} class={bad.has(index + 1) ? "bad" : ""}>{line || " "}{"\n"}</span>)}</pre>
          <textarea
            ref={area}
            aria-label="The document as JSON"
            aria-invalid={bad.size > 0}
            aria-describedby="json-faults"
            defaultValue={text}
            readOnly={readOnly}
            rows={lines.length + 1}
            cols={Math.max(40, ...lines.map((line) => line.length + 2))}
            wrap="off"
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        </div>
      </div>
      <div id="json-faults" class="json-faults">
        {places.length > 0 && <p>{counted(places.length, "fault")} in the document:</p>}
        <ul>
          {places.map((place) => (
            <li key={place.pointer + place.offset + place.detail}>
              <button type="button" class="link" onClick={() => lead(place)}>Line {place.line}</button>{" "}
              {place.pointer && <code>{place.pointer}</code>} {place.detail}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
