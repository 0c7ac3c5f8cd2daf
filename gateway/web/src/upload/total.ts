/** All files together: how many, how much, how fast, how long. */
import { Pace } from "./pace.js";
import { part } from "./page.js";
import type { Transfer } from "./transfer.js";
import { bytes, left } from "./words.js";

export class Total {
  readonly #section = part("total", HTMLElement);
  readonly #count = part("total-count", HTMLElement);
  readonly #speed = part("total-pace", HTMLElement);
  readonly #progress = part("total-progress", HTMLProgressElement);
  readonly #pauseAll = part("pause-all", HTMLButtonElement);
  readonly #clear = part("clear", HTMLButtonElement);
  readonly #pace = new Pace();

  /** Show what is so now; `at` is the time in milliseconds. */
  update(transfers: readonly Transfer[], at: number): void {
    this.#section.hidden = transfers.length === 0;
    const counted = transfers.filter((transfer) => !(transfer.over && transfer.state.kind !== "done"));
    const sum = (of: (transfer: Transfer) => number) => counted.reduce((total, transfer) => total + of(transfer), 0);
    const [sent, size] = [sum((transfer) => transfer.sent), sum((transfer) => transfer.size)];
    const done = counted.filter((transfer) => transfer.state.kind === "done").length;
    this.#count.textContent = `${done} of ${counted.length} ${counted.length === 1 ? "file" : "files"}`;
    this.#progress.value = size === 0 ? (counted.length > 0 && done === counted.length ? 1 : 0) : sent / size;
    this.#speed.textContent = [`${bytes(sent)} of ${bytes(size)}`, ...this.#moving(transfers, at)].join(" · ");
    this.#pauseAll.textContent = transfers.some((transfer) => transfer.active) ? "Pause all" : "Resume all";
    this.#pauseAll.hidden = transfers.every((transfer) => transfer.over || transfer.needsFile);
    this.#clear.hidden = !transfers.some((transfer) => transfer.over);
  }

  #moving(transfers: readonly Transfer[], at: number): string[] {
    const active = transfers.filter((transfer) => transfer.active);
    if (active.length === 0) {
      this.#pace.rest();
      return [];
    }
    this.#pace.read(
      transfers.reduce((total, transfer) => total + transfer.moved, 0),
      at,
    );
    const pending = transfers.filter((transfer) => transfer.active || transfer.state.kind === "waiting");
    const rest = pending.reduce((total, transfer) => total + transfer.size - transfer.sent, 0);
    const seconds = this.#pace.left(rest);
    return [
      ...(this.#pace.speed === null ? [] : [`${bytes(this.#pace.speed)}/s`]),
      ...(seconds === null || rest === 0 ? [] : [left(seconds)]),
    ];
  }
}
