/**
 * One upload's life: planned, sent, paused, taken up again, completed.
 *
 * Owns its state and what is known of its parts. Nothing is ever aborted at S3 but by `cancel`: whatever fails, what
 * has arrived stays there, and starting again sends only what is missing. Every file goes in parts, a small one in a single
 * part: so each can be taken up again, is read once, and S3 keeps no header that a browser adds to a PUT of its own.
 */
import { base64, checksum, combined } from "./crc64.js";
import { CredentialError, PassingError, RefusedError, retried } from "./failures.js";
import type { Gateway, Unfinished } from "./gateway.js";
import type { Limiter } from "./limiter.js";
import type { Memory } from "./memory.js";
import type { Source } from "./source.js";
import { send, type Sending } from "./storage.js";

/** Parts of one file on their way at once; all files together share the page's limiter. */
const PARALLEL = 4;

export type State =
  | { kind: "waiting" }
  | { kind: "sending" }
  | { kind: "finishing" }
  | { kind: "paused" }
  | { kind: "interrupted" } // begun before; its file has to be found again
  | { kind: "done"; key: string }
  | { kind: "failed"; sentence: string; again: boolean; credential: boolean }
  | { kind: "cancelled" };

export interface Services {
  gateway: Gateway;
  memory: Memory;
  /** Files that are worked on at once. */
  files: Limiter;
  /** Requests to S3 at once. */
  requests: Limiter;
}

/** What is known of an upload at the gateway; sizes in bytes. */
interface Plan {
  id: string;
  partSize: number;
}

const CANCELLED = new DOMException("The upload was cancelled.", "AbortError");
const PAUSED = new DOMException("The upload was paused.", "AbortError");

export class Transfer {
  readonly name: string;
  readonly size: number;
  /** Where the file can be found again, if the browser keeps that. */
  handle: FileSystemFileHandle | null;
  state: State;
  /** Bytes that went to S3 since the page was loaded, those of failed attempts left out. */
  moved = 0;

  readonly #services: Services;
  readonly #changed: (transfer: Transfer) => void;
  /** Planning it twice (the answer was lost, it was paused meanwhile) gives the same plan. */
  readonly #attempt = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
  #file: File | null;
  #plan: Plan | null = null;
  #control: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Each part's checksum, by number, as it becomes known. */
  #checksums = new Map<number, bigint>();
  /** Whether this page began the upload or knows how it was begun; else the checksum's algorithm is not ours to say. */
  #known = true;
  /** The lengths in bytes of the parts that S3 has, and what has gone of those on their way, by number. */
  readonly #there = new Map<number, number>();
  readonly #moving = new Map<number, number>();

  private constructor(
    subject: { name: string; size: number; file: File | null; handle: FileSystemFileHandle | null; state: State },
    services: Services,
    changed: (transfer: Transfer) => void,
  ) {
    this.name = subject.name;
    this.size = subject.size;
    this.handle = subject.handle;
    this.state = subject.state;
    this.#file = subject.file;
    this.#services = services;
    this.#changed = changed;
  }

  /** A new upload of this file; `start` begins it. */
  static of(source: Source, services: Services, changed: (transfer: Transfer) => void): Transfer {
    const { name, file, handle } = source;
    return new Transfer({ name, size: file.size, file, handle, state: { kind: "waiting" } }, services, changed);
  }

  /** An upload that was begun before, with what this browser and S3 know of it. */
  static async again(
    upload: Unfinished & { size: number },
    services: Services,
    changed: (transfer: Transfer) => void,
  ): Promise<Transfer> {
    const kept = await services.memory.recall(upload.id);
    const subject = { name: upload.name, size: upload.size, file: null, handle: kept?.handle ?? null };
    const transfer = new Transfer({ ...subject, state: { kind: "interrupted" } }, services, changed);
    transfer.#plan = { id: upload.id, partSize: kept?.partSize ?? 0 };
    transfer.#known = kept !== null;
    await transfer.#look(new AbortController().signal);
    return transfer;
  }

  /** The upload's id, once there is one. */
  get id(): string | null {
    return this.#plan?.id ?? null;
  }

  /** Bytes that S3 has or that are on their way. */
  get sent(): number {
    if (this.state.kind === "done") return this.size;
    const sum = (sizes: Iterable<number>) => Array.from(sizes).reduce((total, size) => total + size, 0);
    return Math.min(this.size, sum(this.#there.values()) + sum(this.#moving.values()));
  }

  get active(): boolean {
    return this.state.kind === "sending" || this.state.kind === "finishing";
  }

  /** Whether nothing more will happen to it. */
  get over(): boolean {
    const { state } = this;
    return state.kind === "done" || state.kind === "cancelled" || (state.kind === "failed" && !state.again);
  }

  get needsFile(): boolean {
    return this.#file === null && !this.over;
  }

  /** Whether this may be the file of an interrupted upload. */
  fits(source: Source): boolean {
    return this.state.kind === "interrupted" && this.name === source.name && this.size === source.file.size;
  }

  /** Give an interrupted upload its file back. False: it is another file. */
  async found(file: File): Promise<boolean> {
    if (file.size !== this.size) return false;
    const { memory } = this.#services;
    const id = this.id;
    const kept = id === null ? null : await memory.recall(id);
    if (id !== null && kept?.modified === file.lastModified) this.#checksums = await memory.checksums(id);
    this.#file = file;
    return true;
  }

  /** Begin, or go on from where it is. */
  start(): void {
    if (this.#control !== null || this.over || this.#file === null) return;
    const control = new AbortController();
    this.#control = control;
    this.#say({ kind: "waiting" });
    const work = () => this.#run(this.#file!, control.signal);
    this.#running = this.#services.files
      .run(work, control.signal)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#moving.clear();
        if (this.#control === control) this.#control = null;
        this.#changed(this);
      });
  }

  /** Stop sending; what S3 has stays. */
  pause(): void {
    if (this.state.kind === "finishing" || this.over) return;
    this.#stop(PAUSED);
    this.#say({ kind: "paused" });
  }

  /** Give it up, at S3 as well. */
  async cancel(): Promise<void> {
    if (this.over) return;
    this.#stop(CANCELLED);
    this.#say({ kind: "cancelled" });
    await this.#running;
    await this.#dropped(new AbortController().signal);
  }

  #stop(reason: DOMException): void {
    this.#control?.abort(reason);
    this.#control = null;
  }

  #say(state: State): void {
    this.state = state;
    this.#changed(this);
  }

  #failed(error: unknown): void {
    if (error === PAUSED || error === CANCELLED) return;
    const sentence = error instanceof Error ? error.message : String(error);
    const credential = error instanceof CredentialError;
    const again = credential || error instanceof PassingError;
    if (error instanceof DOMException) {
      this.#say({ kind: "failed", sentence: `The file can't be read: ${sentence}`, again: true, credential: false });
    } else {
      this.#say({ kind: "failed", sentence, again, credential });
    }
  }

  async #run(file: File, signal: AbortSignal): Promise<void> {
    await this.#sendParts(file, signal);
    this.#say({ kind: "finishing" });
    const id = this.#plan!.id;
    const whole = this.#known ? await this.#whole(file, signal) : null;
    const stored = await this.#services.gateway.complete(id, whole, signal);
    await this.#services.memory.forget(id);
    this.#say({ kind: "done", key: stored.key });
  }

  /** Send the parts that S3 has not. */
  async #sendParts(file: File, signal: AbortSignal): Promise<void> {
    this.#say({ kind: "sending" });
    if (this.#plan === null) await this.#begin(file, signal);
    else await this.#look(signal);
    const numbers = this.#missing();
    const group = new AbortController();
    const stop = () => group.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const lane = async () => {
      for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
        const next = number;
        await this.#services.requests.run(() => this.#sendPart(file, next, group.signal), group.signal);
      }
    };
    try {
      await Promise.all(Array.from({ length: PARALLEL }, lane));
    } catch (error) {
      group.abort(error); // the other parts need not go on
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #begin(file: File, signal: AbortSignal): Promise<void> {
    const subject = { name: this.name, size: this.size, type: file.type || "application/octet-stream" };
    const begun = await this.#services.gateway.begin(subject, this.#attempt, signal);
    this.#plan = { id: begun.id, partSize: begun.part_size };
    await this.#services.memory.keep({
      id: begun.id,
      name: this.name,
      size: this.size,
      modified: file.lastModified,
      partSize: begun.part_size,
      handle: this.handle,
    });
  }

  async #sendPart(file: File, number: number, signal: AbortSignal): Promise<void> {
    const plan = this.#plan!;
    const bytes = this.#slice(file, number);
    const value = this.#known ? await this.#checksum(file, number, signal) : null;
    let tried = false;
    await retried(async () => {
      if (tried && (await this.#arrived(number, signal))) return;
      tried = true;
      const where = await this.#services.gateway.part(plan.id, number, value === null ? null : base64(value), signal);
      await this.#put(number, where, bytes, signal);
    }, signal);
  }

  async #put(number: number, where: Sending, bytes: Blob, signal: AbortSignal): Promise<void> {
    let before = 0;
    const progress = (gone: number) => {
      this.moved += gone - before;
      before = gone;
      this.#moving.set(number, gone);
    };
    try {
      await send(where, bytes, progress, signal);
      progress(bytes.size);
      this.#there.set(number, bytes.size);
    } catch (error) {
      progress(0);
      throw error;
    } finally {
      this.#moving.delete(number);
    }
  }

  /** Whether S3 took a part though its answer was lost; then it need not be sent again. */
  async #arrived(number: number, signal: AbortSignal): Promise<boolean> {
    const { parts } = await this.#services.gateway.look(this.#plan!.id, signal);
    const size = this.#length(number);
    const there = parts.some((part) => part.number === number && part.size === size);
    if (there) this.#there.set(number, size);
    return there;
  }

  /** Ask S3 what it has; without a memory of how the upload was begun, also how it is cut. */
  async #look(signal: AbortSignal): Promise<void> {
    const plan = this.#plan!;
    const { state, parts } = await this.#services.gateway.look(plan.id, signal);
    if (state !== "open" && state !== "completed") throw new RefusedError("This upload was given up.");
    if (plan.partSize === 0) plan.partSize = (await this.#services.gateway.part(plan.id, 1, null, signal)).size;
    this.#there.clear();
    for (const part of parts) {
      if (part.size === this.#length(part.number)) this.#there.set(part.number, part.size);
    }
    if (state === "completed") for (const number of this.#missing()) this.#there.set(number, this.#length(number));
  }

  get #count(): number {
    return Math.max(1, Math.ceil(this.size / this.#plan!.partSize));
  }

  #missing(): number[] {
    return Array.from({ length: this.#count }, (_, at) => at + 1).filter((number) => !this.#there.has(number));
  }

  #length(number: number): number {
    const size = this.#plan!.partSize;
    return Math.max(0, Math.min(size, this.size - (number - 1) * size));
  }

  #slice(file: File, number: number): Blob {
    const begin = (number - 1) * this.#plan!.partSize;
    return file.slice(begin, begin + this.#length(number));
  }

  async #checksum(file: File, number: number, signal: AbortSignal): Promise<bigint> {
    const known = this.#checksums.get(number);
    if (known !== undefined) return known;
    const value = await checksum(this.#slice(file, number), signal);
    this.#checksums.set(number, value);
    await this.#services.memory.keepChecksum(this.#plan!.id, number, value);
    return value;
  }

  /** The checksum of the whole: made of its parts'. */
  async #whole(file: File, signal: AbortSignal): Promise<string> {
    const parts = [];
    for (let number = 1; number <= this.#count; number++) {
      parts.push({ value: await this.#checksum(file, number, signal), length: this.#length(number) });
    }
    return base64(combined(parts));
  }

  /** Give up what is planned, and forget it. */
  async #dropped(signal: AbortSignal): Promise<void> {
    const plan = this.#plan;
    this.#plan = null;
    if (plan === null) return;
    await this.#services.memory.forget(plan.id);
    await this.#services.gateway.abort(plan.id, signal).catch(() => undefined); // the gateway's sweeper ends it then
  }
}
