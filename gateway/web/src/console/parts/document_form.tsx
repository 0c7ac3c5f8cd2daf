/** The whole form, section by section, over the draft. */
import type { Fault } from "../api.js";
import { SECTIONS } from "../model/fields.js";
import { FieldOf } from "./composed.js";
import { FormContext, type Draft } from "./draft.js";

export function DocumentForm({ draft, faults, readOnly }: { draft: Draft; faults: readonly Fault[]; readOnly: boolean }) {
  const broken = draft.reading.mistakes.length > 0 || draft.reading.root?.type !== "object";
  return (
    <FormContext.Provider value={{ draft, faults, locked: readOnly || broken }}>
      {broken && <p class="notice bad" role="status"><strong>The JSON is not a document now.</strong> The form waits until it is one again.</p>}
      {SECTIONS.map((section) => (
        <section key={section.title} class="section" aria-label={section.title}>
          <h3>{section.title}</h3>
          <div class="fields">{section.fields.map((field) => <FieldOf key={field.label} field={field} />)}</div>
        </section>
      ))}
    </FormContext.Provider>
  );
}
