/** Which of the last decisions would differ under a document that is not in force yet. */
import type { DryRun, Outcome as Came } from "../shapes.js";
import { Moment, Outcome, Table, counted } from "./common.js";

export function Preview({ preview }: { preview: DryRun }) {
  const { decisions, differing } = preview;
  return (
    <>
      <p>
        {decisions === 0
          ? "No decisions are remembered that this could be tried on."
          : <>Of the last {counted(decisions, "decision")}, <strong>{counted(differing.length, "would differ", "would differ")}</strong>.</>}
      </p>
      {differing.length > 0 && (
        <Table label="Decisions that would differ" head={["When", "Backend", "Name", "Size", "Type", "Was", "Would be"]}>
          {differing.map((each, index) => (
            <tr key={index}>
              <td><Moment at={each.at} /></td>
              <td>{each.backend}</td>
              <td><Name name={each.name} /></td>
              <td class="number">{each.size}</td>
              <td>{each.content_type ?? "–"}</td>
              <td><CameOf outcome={each.was} /></td>
              <td><CameOf outcome={each.would_be} /></td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}

export function CameOf({ outcome }: { outcome: Came }) {
  const granted = outcome.decision === "grant";
  return <Outcome granted={granted}>{granted ? <>granted <code>{outcome.key}</code>{outcome.create_only ? "" : ", may overwrite"}</> : outcome.code}</Outcome>;
}

export function Name({ name }: { name: string | null }) {
  return name === null ? <em>could not be read</em> : <code>{name}</code>;
}
