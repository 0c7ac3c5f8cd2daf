/** The small parts that every view is made of. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { Problem } from "../api.js";

/** A refusal, said as the gateway said it, with the id under which its log knows the request. */
export function Refused({ error, title = "Refused" }: { error: unknown; title?: string }) {
  const { message, code, requestId, faults } = error instanceof Problem ? error : { message: String(error), code: "", requestId: "", faults: [] };
  return (
    <div class="notice bad" role="alert">
      <p><strong>{title}.</strong> {message}</p>
      {faults.length > 0 && (
        <ul>{faults.map((fault) => <li key={fault.pointer + fault.detail}><code>{fault.pointer || "/"}</code> {fault.detail}</li>)}</ul>
      )}
      {(code || requestId) && <p class="fine">{code && <code>{code}</code>} {requestId && <>Request <code>{requestId}</code></>}</p>}
    </div>
  );
}

/** The view's heading, which has the focus when the view is new, so that a screen reader begins there. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · upload-gateway`;
    heading.current?.focus();
  }, [title]);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}

export function Status({ status }: { status: string }) {
  const active = status === "active";
  return <span class={active ? "tag good" : "tag bad"}><span class="sr">Status: </span><span aria-hidden="true">{active ? "● " : "■ "}</span>{status}</span>;
}

export function Outcome({ granted, children }: { granted: boolean; children: ComponentChildren }) {
  return <span class={granted ? "tag good" : "tag bad"}><span aria-hidden="true">{granted ? "✓ " : "✕ "}</span>{children}</span>;
}

/** A moment in UTC, as the gateway's own logs have it. */
export function Moment({ at }: { at: string | number }) {
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return <>{String(at)}</>;
  const iso = moment.toISOString();
  return <time dateTime={iso}>{`${iso.slice(0, 10)} ${iso.slice(11, 19)}`}<span class="fine"> UTC</span></time>;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

export function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, count < 1 ? 0 : Math.floor(Math.log2(count) / 10));
  const size = count / 2 ** (10 * power);
  return `${power === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${UNITS[power] ?? ""}`;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** A table that scrolls by itself where it is too wide, also by keyboard. */
export function Table({ label, head, children }: { label: string; head: readonly string[]; children: ComponentChildren }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr>{head.map((each) => <th key={each} scope="col">{each}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** A row that says why there are no others. */
export function EmptyRow({ columns, children }: { columns: number; children: ComponentChildren }) {
  return <tr><td colSpan={columns} class="empty">{children}</td></tr>;
}
