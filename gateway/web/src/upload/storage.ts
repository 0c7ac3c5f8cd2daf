/** One PUT to S3, with progress; `fetch` can't tell how much of a body has gone. */
import { PassingError, RefusedError } from "./failures.js";

export interface Sending {
  url: string;
  headers: Record<string, string>;
}

/** Send the bytes; `progress` hears how many have gone. Rejects with the signal's reason or one of the failures. */
export function send(
  where: Sending,
  body: Blob,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const aborted = () => request.abort();
    signal.addEventListener("abort", aborted, { once: true });
    request.open("PUT", where.url);
    for (const [name, value] of Object.entries(where.headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("loadend", () => {
      signal.removeEventListener("abort", aborted);
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(signal.aborted ? signal.reason : failure(request.status, request.responseText));
    });
    request.send(body);
  });
}

/** S3's XML error as one of ours (S3 API, "Error responses"). */
function failure(status: number, text: string): Error {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? "";
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? `Storage answered with status ${status}.`;
  if (status === 0) return new PassingError("The connection to storage was lost.");
  // A URL of another time or of credentials that have ended: every attempt has a fresh one.
  if (status === 403) return new PassingError(`Storage refused the URL: ${message}`);
  if (status === 408 || status === 409 || status === 429 || status >= 500 || code === "RequestTimeout") {
    return new PassingError(`Storage does not take the bytes now: ${message}`);
  }
  return new RefusedError(`Storage refused the bytes: ${message}`);
}
