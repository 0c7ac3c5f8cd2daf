/** One upload as people see and operate it: name, progress, state, two buttons. */
import { announce, part } from "./page.js";
import type { Transfer } from "./transfer.js";
import { bytes, stated } from "./words.js";

/** What a row's buttons do. */
export interface Acts {
  go(transfer: Transfer): void;
  end(transfer: Transfer): void;
}

const ANNOUNCED = new Set(["paused", "done", "failed", "cancelled"]);

/** A row keeps its elements for as long as the upload is listed, so that the keyboard's focus stays where it is. */
export class Row {
  readonly element: HTMLLIElement;
  readonly #transfer: Transfer;
  readonly #progress: HTMLProgressElement;
  readonly #state: HTMLElement;
  readonly #size: HTMLElement;
  readonly #go: HTMLButtonElement;
  readonly #end: HTMLButtonElement;
  #said = "";

  constructor(transfer: Transfer, acts: Acts) {
    const copy = part("row", HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
    const inside = <T extends HTMLElement>(selector: string) => copy.querySelector<T>(selector)!;
    this.element = inside("li");
    this.#transfer = transfer;
    this.#progress = inside("progress");
    this.#state = inside(".state");
    this.#size = inside(".size");
    this.#go = inside(".go");
    this.#end = inside(".end");
    inside(".name").textContent = transfer.name;
    this.#progress.setAttribute("aria-label", transfer.name);
    this.#go.addEventListener("click", () => acts.go(transfer));
    this.#end.addEventListener("click", () => acts.end(transfer));
    this.update();
  }

  /** Show what is so now. */
  update(): void {
    const { state, sent, size, name } = this.#transfer;
    const text = stated(state, this.#transfer.needsFile && this.#transfer.handle === null);
    this.element.dataset["state"] = state.kind;
    this.#progress.value = size === 0 ? (state.kind === "done" ? 1 : 0) : sent / size;
    this.#size.textContent = sent > 0 && sent < size ? `${bytes(sent)} of ${bytes(size)}` : bytes(size);
    this.#label(this.#go, goes(this.#transfer), name);
    this.#label(this.#end, this.#transfer.over ? "Remove" : "Cancel", name);
    if (text === this.#said) return;
    this.#said = text;
    this.#state.textContent = text;
    if (ANNOUNCED.has(state.kind)) announce(`${name}: ${text}`);
  }

  /** Put the focus on what one would do next. */
  focus(): void {
    (this.#go.hidden ? this.#end : this.#go).focus();
  }

  #label(button: HTMLButtonElement, label: string | null, name: string): void {
    const lost = label === null && document.activeElement === button;
    button.hidden = label === null;
    if (label !== null && button.textContent !== label) {
      button.textContent = label;
      button.setAttribute("aria-label", `${label} ${name}`);
    }
    if (lost) this.#end.focus();
  }
}

/** What the first button is called; null: there is nothing to do. */
function goes(transfer: Transfer): string | null {
  switch (transfer.state.kind) {
    case "sending":
      return "Pause";
    case "paused":
      return "Resume";
    case "interrupted":
      return transfer.handle === null ? "Choose file" : "Resume";
    case "failed":
      return transfer.state.again ? "Try again" : null;
    default:
      return null;
  }
}
