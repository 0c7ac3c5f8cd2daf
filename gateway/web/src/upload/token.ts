/**
 * The credential on this page: asked for, used, asked for anew.
 *
 * It is held in memory. A link may bring it in its fragment (`#token=…`), which browsers send to nobody; it is taken out
 * of the address at once. Only who ticks the box has it kept in this tab's sessionStorage, which ends with the tab.
 */
import { CredentialError, PassingError, RefusedError } from "./failures.js";
import { announce, part } from "./page.js";

const KEY = "token";

export class Token {
  #value = "";
  readonly #form = part("credential", HTMLFormElement);
  readonly #input = part("token", HTMLInputElement);
  readonly #keep = part("keep", HTMLInputElement);
  readonly #problem = part("token-problem", HTMLParagraphElement);
  readonly #signedIn = part("signed-in", HTMLParagraphElement);
  readonly #tried: () => Promise<void>;

  /** `tried` uses the token for the first time, and rejects as the gateway does. */
  constructor(tried: () => Promise<void>) {
    this.#tried = tried;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#use(this.#input.value.trim(), this.#keep.checked);
    });
    part("change", HTMLButtonElement).addEventListener("click", () => this.ask(""));
    addEventListener("hashchange", () => void this.#fromAddress());
  }

  /** The token; empty until there is one. */
  get value(): string {
    return this.#value;
  }

  get accepted(): boolean {
    return this.#form.hidden === true;
  }

  /** Take the token from where it may be without asking. */
  async find(): Promise<void> {
    if (await this.#fromAddress()) return;
    const kept = sessionStorage.getItem(KEY);
    if (kept !== null) await this.#use(kept, true);
  }

  /** Ask for a token; `sentence` says why. */
  ask(sentence: string): void {
    this.#value = "";
    sessionStorage.removeItem(KEY);
    this.#form.hidden = false;
    this.#signedIn.hidden = true;
    this.#problem.textContent = sentence;
    this.#input.setAttribute("aria-invalid", String(sentence !== ""));
    this.#input.focus();
  }

  async #fromAddress(): Promise<boolean> {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given === null) return false;
    history.replaceState(null, "", location.pathname + location.search);
    await this.#use(given, false);
    return true;
  }

  async #use(token: string, keep: boolean): Promise<void> {
    if (token === "") return;
    this.#value = token;
    try {
      await this.#tried();
    } catch (error) {
      if (!expected(error)) throw error;
      this.ask(error.message);
      return;
    }
    if (keep) sessionStorage.setItem(KEY, token);
    this.#input.value = "";
    this.#problem.textContent = "";
    this.#input.removeAttribute("aria-invalid");
    const focused = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    this.#signedIn.hidden = false;
    if (focused) part("choose", HTMLButtonElement).focus();
    announce("The token is accepted.");
  }
}

function expected(error: unknown): error is Error {
  return error instanceof CredentialError || error instanceof RefusedError || error instanceof PassingError;
}
