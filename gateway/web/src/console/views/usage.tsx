/** What a tenant has in S3, now and over time, beside what it may have. */
import { useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { Chart } from "../parts/chart.js";
import { Moment, Refused, Table, bytes, counted } from "../parts/common.js";
import { useLoaded } from "../parts/loading.js";
import type { Sample, Usage, UsageHistory } from "../shapes.js";

const MEASURES = {
  bytes: { title: "Bytes stored", say: bytes, of: (sample: Sample) => sample.bytes },
  objects: { title: "Objects stored", say: (count: number) => count.toLocaleString("en"), of: (sample: Sample) => sample.objects },
  reserved: { title: "Bytes reserved", say: bytes, of: (sample: Sample) => sample.reserved_bytes },
} as const;

type Measure = keyof typeof MEASURES;

/** Milliseconds that a chart shows at least. */
const LEAST = 900_000;

export function UsageView({ tenant }: { tenant: string }) {
  const { api } = useConsole();
  const [days, setDays] = useState("7");
  const [measure, setMeasure] = useState<Measure>("bytes");
  const { value, error, busy, reload } = useLoaded(async (signal) => {
    const [now, past] = await Promise.all([
      api.call<Usage>(`${under(tenant)}/usage`, { signal }),
      api.call<UsageHistory>(`${under(tenant)}/usage/history?days=${days}`, { signal }),
    ]);
    return { now: now.body, past: past.body };
  }, [api, tenant, days]);
  return (
    <>
      {error !== undefined && <Refused error={error} />}
      {value ? <Now usage={value.now} /> : <div class="figures" />}
      <section aria-labelledby="over-time">
        <h2 id="over-time">Over time</h2>
        <div class="bar">
          <div class="field">
            <label for="measure">What</label>
            <select id="measure" value={measure} onChange={(event) => setMeasure(event.currentTarget.value as Measure)}>
              {Object.entries(MEASURES).map(([name, { title }]) => <option key={name} value={name}>{title}</option>)}
            </select>
          </div>
          <div class="field">
            <label for="days">In the last</label>
            <select id="days" value={days} onChange={(event) => setDays(event.currentTarget.value)}>
              <option value="1">day</option>
              <option value="7">7 days</option>
              <option value="35">35 days</option>
            </select>
          </div>
          <button type="button" disabled={busy} onClick={reload}>Refresh</button>
        </div>
        {value ? <Past past={value.past} measure={measure} limit={limit(value.now, measure)} /> : <div class="chart-place">{error === undefined && "Loading…"}</div>}
      </section>
    </>
  );
}

function Now({ usage }: { usage: Usage }) {
  return (
    <dl class="figures">
      <Figure title="Bytes" used={usage.bytes} reserved={usage.reserved_bytes} most={usage.quota.bytes} say={bytes} />
      <Figure title="Objects" used={usage.objects} reserved={usage.reserved_objects} most={usage.quota.objects} say={(count) => count.toLocaleString("en")} />
      <div>
        <dt>Rate</dt>
        <dd>{usage.rate === null ? "no limit" : `${usage.rate.per_second} a second, ${usage.rate.burst} at once, for each ${usage.rate.per}`}</dd>
        {usage.rate?.left != null && <dd class="fine">{counted(usage.rate.left, "token")} left now</dd>}
      </div>
    </dl>
  );
}

function Figure({ title, used, reserved, most, say }: { title: string; used: number; reserved: number; most: number | null; say: (count: number) => string }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{say(used)}{reserved > 0 && `, and ${say(reserved)} reserved`}</dd>
      {most === null
        ? <dd class="fine">no quota</dd>
        : <dd class="fine"><meter aria-label={`${title} used of the quota`} min={0} max={Math.max(1, most)} value={used + reserved} /> of {say(most)}</dd>}
    </div>
  );
}

function Past({ past, measure, limit: most }: { past: UsageHistory; measure: Measure; limit: number | null }) {
  const { title, say, of } = MEASURES[measure];
  const points = past.samples.map((sample) => ({ at: Date.parse(sample.at), value: of(sample) }));
  const to = Date.parse(past.until);
  // Before the first sample nothing is known, so there is nothing to draw.
  const from = Math.min(to - LEAST, Math.max(Date.parse(past.since), points[0]?.at ?? 0));
  return (
    <>
      <Chart title={title} points={points} from={from} to={to} limit={most} say={say} />
      <p class="help">Each value holds until the next; {counted(past.samples.length, "sample")}, {past.step / 60} minutes apart at least.</p>
      <details>
        <summary>The same as a table</summary>
        <Table label={`${title} over time`} head={["When", "Bytes", "Objects", "Bytes reserved", "Objects reserved"]}>
          {past.samples.map((sample) => (
            <tr key={sample.at}>
              <td><Moment at={sample.at} /></td>
              <td class="number">{sample.bytes}</td>
              <td class="number">{sample.objects}</td>
              <td class="number">{sample.reserved_bytes}</td>
              <td class="number">{sample.reserved_objects}</td>
            </tr>
          ))}
        </Table>
      </details>
    </>
  );
}

function limit(usage: Usage, measure: Measure): number | null {
  return measure === "objects" ? usage.quota.objects : usage.quota.bytes;
}
