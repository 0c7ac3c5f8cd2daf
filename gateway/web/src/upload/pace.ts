/** How fast it goes and how long it will take, smoothed so that people can read it. */

/** Seconds over which the speed is averaged. */
const WINDOW = 4;

export class Pace {
  #speed: number | null = null;
  #last: { at: number; moved: number } | null = null;

  /** Take a reading: bytes moved so far, at a time in milliseconds. */
  read(moved: number, at: number): void {
    const last = this.#last;
    this.#last = { at, moved };
    if (last === null || at <= last.at) return;
    const seconds = (at - last.at) / 1000;
    const now = Math.max(0, moved - last.moved) / seconds;
    const weight = 1 - Math.exp(-seconds / WINDOW);
    this.#speed = this.#speed === null ? now : this.#speed + weight * (now - this.#speed);
  }

  /** Nothing moves: the next reading begins anew. */
  rest(): void {
    this.#speed = null;
    this.#last = null;
  }

  /** Bytes a second; null until it is known. */
  get speed(): number | null {
    return this.#speed;
  }

  /** Seconds for so many bytes more; null while nobody can say. */
  left(bytes: number): number | null {
    return this.#speed === null || this.#speed < 1 ? null : bytes / this.#speed;
  }
}
