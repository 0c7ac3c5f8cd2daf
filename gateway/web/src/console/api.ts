/** The admin API as the console calls it: every refusal is a `Problem` with a sentence and the request's id. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** RFC 9457, as the gateway answers it; also what stands for no answer at all. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly requestId: string,
    readonly faults: readonly Fault[],
  ) {
    super(detail);
  }
}

/** An answer with its text as it came: numbers may be wider than JavaScript's. */
export interface Answer<Body> {
  readonly text: string;
  readonly body: Body;
  readonly etag: string;
  readonly readOnly: boolean;
}

export interface Asked {
  readonly method?: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** JSON text. */
  readonly body?: string;
  readonly ifMatch?: string;
  readonly creating?: boolean;
  readonly reason?: string;
  readonly signal?: AbortSignal;
}

export class Api {
  constructor(
    private readonly token: string,
    private readonly onUnauthorized: (problem: Problem) => void,
  ) {}

  /** Calls `/admin/tenants` + `path`; throws `Problem`, and an AbortError when `signal` says so. */
  async call<Body>(path: string, asked: Asked = {}): Promise<Answer<Body>> {
    const response = await this.fetched(path, asked);
    const text = await response.text();
    if (!response.ok) throw this.told(problem(response, text));
    return {
      text,
      body: (text === "" ? null : JSON.parse(text)) as Body,
      etag: response.headers.get("etag") ?? "",
      readOnly: response.headers.get("allow") === "GET",
    };
  }

  private async fetched(path: string, asked: Asked): Promise<Response> {
    try {
      return await fetch(`/admin/tenants${path}`, {
        method: asked.method ?? "GET",
        headers: headers(this.token, asked),
        body: asked.body ?? null,
        signal: asked.signal ?? null,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Problem(0, "no-answer", "The gateway did not answer. Nothing is known of what became of the request.", "", []);
    }
  }

  private told(problem: Problem): Problem {
    if (problem.status === 401) this.onUnauthorized(problem);
    return problem;
  }
}

/** Segments of a path, each encoded. */
export function under(...segments: string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

function headers(token: string, asked: Asked): Headers {
  const sent = new Headers({ Authorization: `Bearer ${token}` });
  if (asked.body !== undefined) sent.set("Content-Type", asked.method === "PATCH" ? "application/merge-patch+json" : "application/json");
  if (asked.ifMatch) sent.set("If-Match", asked.ifMatch);
  if (asked.creating) sent.set("If-None-Match", "*");
  if (asked.reason) sent.set("X-Change-Reason", extended(asked.reason));
  return sent;
}

/** A header's value as RFC 8187 has it, since a browser sends no other than latin-1. */
function extended(value: string): string {
  const encoded = encodeURIComponent(value).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return `UTF-8''${encoded}`;
}

function problem(response: Response, text: string): Problem {
  const requestId = response.headers.get("x-request-id") ?? "";
  try {
    const body = JSON.parse(text) as { type?: string; detail?: string; instance?: string; errors?: Fault[] };
    if (typeof body.detail === "string") {
      const code = (body.type ?? "").split(":").at(-1) ?? "";
      return new Problem(response.status, code, body.detail, body.instance ?? requestId, body.errors ?? []);
    }
  } catch {
    // Not ours: something between the browser and the gateway answered.
  }
  return new Problem(response.status, "", `The answer was ${response.status} and not the gateway's.`, requestId, []);
}
