/**
 * The operator's token: where it is kept, and what it says of itself.
 *
 * It lives in this tab's session storage, so that a reload does not lose it, and goes when the tab is closed. It is
 * never part of an address. What is read from it here is shown and never trusted: the gateway verifies it.
 */
export interface Session {
  readonly token: string;
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch; null where the token does not say. */
  readonly expiresAt: number | null;
}

const KEY = "upload-gateway-operator";

export function keptSession(): Session | null {
  const token = sessionStorage.getItem(KEY);
  return token === null ? null : readSession(token);
}

export function keepSession(session: Session | null): void {
  if (session === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, session.token);
}

/** What a pasted token says of itself, null where it is no JWT (RFC 7519 section 3: three parts of base64url). */
export function readSession(pasted: string): Session | null {
  const token = pasted.trim().replace(/^Bearer\s+/i, "");
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) return null;
  try {
    const claims = JSON.parse(decoded(parts[1] ?? "")) as Record<string, unknown>;
    const expires = claims["exp"];
    return {
      token,
      subject: text(claims["sub"]),
      issuer: text(claims["iss"]),
      expiresAt: typeof expires === "number" ? expires * 1000 : null,
    };
  } catch {
    return null;
  }
}

function decoded(part: string): string {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

function text(claim: unknown): string {
  return typeof claim === "string" ? claim : "";
}
