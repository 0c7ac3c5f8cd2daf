/** Numbers and states in words. */
import type { State } from "./transfer.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** A size: `1.5 MB`, with the SI's units. */
export function bytes(count: number): string {
  const step = count < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const unit = UNITS[step] ?? "byte";
  const detail = step === 0 ? { unitDisplay: "long" as const } : { maximumFractionDigits: 1 };
  const format = new Intl.NumberFormat("en", { style: "unit", unit, ...detail });
  return format.format(count / 1000 ** step);
}

/** A duration in seconds: `about 3 min left`. */
export function left(seconds: number): string {
  if (seconds < 60) return `about ${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min left`;
}

/** What a state is called. */
export function stated(state: State, needsFile: boolean): string {
  switch (state.kind) {
    case "waiting":
      return "Waiting";
    case "sending":
      return "Uploading";
    case "finishing":
      return "Finishing";
    case "paused":
      return "Paused";
    case "interrupted":
      return needsFile ? "Not finished: choose the file again to go on" : "Not finished";
    case "done":
      return `Stored as ${state.key}`;
    case "failed":
      return state.sentence;
    case "cancelled":
      return "Cancelled";
  }
}
