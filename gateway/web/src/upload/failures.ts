/** What can go wrong, sorted by what helps: nothing, another attempt, or another credential. */

/** It can't be done as it is: `message` is a sentence for a person, `code` the problem's if there is one. */
export class RefusedError extends Error {
  override readonly name: string = "RefusedError";
  readonly code: string | null;

  constructor(message: string, code: string | null = null) {
    super(message);
    this.code = code;
  }
}

/** The gateway does not take the credential (any more). */
export class CredentialError extends Error {
  override readonly name = "CredentialError";
}

/** It may well work in a while; `after` is how many seconds the other side asks for, if it says. */
export class PassingError extends Error {
  override readonly name: string = "PassingError";
  readonly after: number | null;

  constructor(message: string, after: number | null = null) {
    super(message);
    this.after = after;
  }
}

const ATTEMPTS = 6;
const FIRST_PAUSE = 400;
const LONGEST_ASKED = 60;

/**
 * Do it until it succeeds, as long as it fails in passing: six times, ever further apart, and not while the browser
 * knows that it is offline. `jitter` is a number from 0 to 1.
 */
export async function retried<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  jitter: () => number = Math.random,
): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingError) || count === ATTEMPTS || (error.after ?? 0) > LONGEST_ASKED) throw error;
      const pause = error.after === null ? FIRST_PAUSE * 2 ** (count - 1) * (0.5 + jitter()) : error.after * 1000;
      await waited(pause, signal);
      await online(signal);
    }
  }
}

async function waited(milliseconds: number, signal: AbortSignal): Promise<void> {
  await interruptible(signal, (done) => {
    const timer = setTimeout(done, milliseconds);
    return () => clearTimeout(timer);
  });
}

async function online(signal: AbortSignal): Promise<void> {
  if (navigator.onLine) return;
  await interruptible(signal, (done) => {
    addEventListener("online", done, { once: true });
    return () => removeEventListener("online", done);
  });
}

/** Wait for what `begin` announces by calling `done`; `begin` returns how to stop waiting. */
async function interruptible(signal: AbortSignal, begin: (done: () => void) => () => void): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const aborted = () => {
      end();
      reject(signal.reason);
    };
    const end = begin(() => {
      signal.removeEventListener("abort", aborted);
      resolve();
    });
    signal.addEventListener("abort", aborted, { once: true });
  });
}
