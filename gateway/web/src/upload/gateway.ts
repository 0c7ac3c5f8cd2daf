/** The upload API (`POST /uploads` and what follows) as this page uses it; every refusal becomes its own sentence. */
import { CredentialError, PassingError, RefusedError, retried } from "./failures.js";

/** A plan in parts, as far as this page needs it: it asks for each part's URL when it has read the part. */
export interface Begun {
  id: string;
  part_size: number;
}

export interface Unfinished {
  id: string;
  name: string;
  strategy: "put" | "post" | "multipart";
  size: number | null;
  state: string;
  created_at: string;
}

interface Page {
  uploads: Unfinished[];
  cursor: string | null;
}

export interface Part {
  number: number;
  size: number;
  url: string;
  headers: Record<string, string>;
}

export interface Stored {
  key: string;
  size: number;
}

interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  errors?: { pointer: string; detail: string }[];
}

const CHECKSUM = "crc64nvme";
/** More parts than this are only worth their number when the object would not fit otherwise. */
const PARTS_WANTED = 1000;
const SMALLEST_PART = 8 << 20;
const LARGEST_PART = 5 * 2 ** 30;

/** Speaks to the gateway with the credential that `token` gives at the time of each call. */
export class Gateway {
  readonly #token: () => string;

  constructor(token: () => string) {
    this.#token = token;
  }

  /** A plan in parts; `attempt` (an idempotency key) makes repeating it safe. */
  async begin(
    file: { name: string; size: number; type: string },
    attempt: string,
    signal: AbortSignal,
  ): Promise<Begun> {
    const body = {
      name: file.name,
      size: file.size,
      content_type: file.type,
      checksum: { algorithm: CHECKSUM, value: null },
      strategy: "multipart",
      part_size: partSize(file.size),
    };
    return this.#call<Begun>("POST", "/uploads", signal, body, { "idempotency-key": attempt });
  }

  /** The caller's unfinished uploads; none where the gateway keeps no list. */
  async unfinished(signal: AbortSignal): Promise<Unfinished[]> {
    try {
      return await this.#listed(signal);
    } catch (error) {
      if (error instanceof RefusedError && error.code === "request-invalid") return [];
      throw error;
    }
  }

  async #listed(signal: AbortSignal): Promise<Unfinished[]> {
    const found: Unfinished[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page = await this.#call("GET", `/uploads?limit=100${query}`, signal);
      found.push(...page.uploads);
      cursor = page.cursor;
    } while (cursor !== null);
    return found;
  }

  /** What S3 has of an upload. */
  async look(id: string, signal: AbortSignal): Promise<{ state: string; parts: { number: number; size: number }[] }> {
    return this.#call("GET", `/uploads/${id}`, signal);
  }

  /** A fresh URL for one part; a checksum that is given is signed, so that S3 verifies it. */
  async part(id: string, number: number, checksum: string | null, signal: AbortSignal): Promise<Part> {
    const body = { numbers: [number], ...(checksum !== null && { checksums: { [number]: checksum } }) };
    const answer = await this.#call<{ parts: [Part] }>("POST", `/uploads/${id}/parts`, signal, body);
    return answer.parts[0];
  }

  /** Complete; `checksum` is that of the whole. */
  async complete(id: string, checksum: string | null, signal: AbortSignal): Promise<Stored> {
    const body = checksum === null ? {} : { checksum: { algorithm: CHECKSUM, value: checksum } };
    return this.#call<Stored>("POST", `/uploads/${id}/complete`, signal, body);
  }

  /** Give an upload up. */
  async abort(id: string, signal: AbortSignal): Promise<void> {
    await this.#call("DELETE", `/uploads/${id}`, signal);
  }

  async #call<T>(
    method: string,
    path: string,
    signal: AbortSignal,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    return retried(() => this.#once<T>(method, path, signal, body, headers), signal);
  }

  async #once<T>(
    method: string,
    path: string,
    signal: AbortSignal,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<T> {
    const answer = await this.#fetched(path, {
      method,
      signal,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${this.#token()}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    if (answer.status === 204) return undefined as T;
    if (answer.ok) return (await answer.json()) as T;
    throw await failure(answer);
  }

  async #fetched(path: string, request: RequestInit): Promise<Response> {
    try {
      return await fetch(path, request);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw new PassingError(`The gateway can't be reached (${String(error)}).`);
    }
  }
}

async function failure(answer: Response): Promise<Error> {
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  const sentence = said(problem, answer.status);
  if (answer.status === 401) return new CredentialError(sentence);
  const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const passes = answer.status >= 500 || (answer.status === 429 && !Number.isNaN(after));
  if (passes) return new PassingError(sentence, Number.isNaN(after) ? null : after);
  return new RefusedError(sentence, problem.type?.replace(/^.*:/, "") ?? null);
}

/** The problem's own sentence, and what it says of single members; a front that is not ours may send none. */
function said(problem: Problem, status: number): string {
  const details = (problem.errors ?? []).map((error) => error.detail);
  const sentence = problem.detail ?? problem.title ?? `The gateway answered with status ${status}.`;
  return [sentence, ...details].join(" ");
}

/** The size of a part in bytes for a file of this size. */
function partSize(size: number): number {
  const mebibyte = 1 << 20;
  const wanted = Math.ceil(size / PARTS_WANTED / mebibyte) * mebibyte;
  return Math.min(Math.max(wanted, SMALLEST_PART), LARGEST_PART);
}
