/** A quantity over time as steps: an inline SVG with a sentence for those who can't see it. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

interface Charted {
  readonly points: readonly Point[];
  readonly from: number;
  readonly to: number;
  readonly limit: number | null;
  readonly say: (value: number) => string;
  readonly title: string;
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 240, 80, 12, 12, 28];

export function Chart({ points, from, to, limit, say, title }: Charted) {
  const most = Math.max(1, ...points.map(({ value }) => value));
  // The limit is drawn where it is near enough to matter; far above, it would flatten everything else.
  const shownLimit = limit !== null && limit <= most * 4 ? limit : null;
  const top = Math.max(most, shownLimit ?? 0) * 1.05;
  const x = (at: number) => LEFT + ((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const steps = points.map(({ at, value }, index) => (index === 0 ? `M${x(at)} ${y(value)}` : `H${x(at)}V${y(value)}`)).join("");
  const end = `H${x(to)}`;
  const first = points[0];
  const last = points.at(-1);
  const values = points.map(({ value }) => value);
  const sentence = last ? `${title}: ${say(last.value)} now, between ${say(Math.min(...values))} and ${say(Math.max(...values))} in this time.` : `${title}: nothing is known.`;
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={sentence}>
      {[0, 0.5, 1].map((share) => (
        <g key={share}>
          <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(most * share)} y2={y(most * share)} />
          <text class="axis" x={LEFT - 8} y={y(most * share) + 4} text-anchor="end">{say(Math.round(most * share))}</text>
        </g>
      ))}
      {shownLimit !== null && (
        <g>
          <line class="limit" x1={LEFT} x2={WIDTH - RIGHT} y1={y(shownLimit)} y2={y(shownLimit)} />
          <text class="axis" x={WIDTH - RIGHT} y={y(shownLimit) + 14} text-anchor="end">quota</text>
        </g>
      )}
      {first && <path class="area" d={`${steps}${end}V${y(0)}H${x(first.at)}Z`} />}
      <path class="curve" d={steps === "" ? "" : steps + end} />
      {last && <circle class="present" cx={x(to)} cy={y(last.value)} r={4} />}
      <text class="axis" x={LEFT} y={HEIGHT - 8}>{day(from)}</text>
      <text class="axis" x={WIDTH - RIGHT} y={HEIGHT - 8} text-anchor="end">{day(to)}</text>
    </svg>
  );
}

function day(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
