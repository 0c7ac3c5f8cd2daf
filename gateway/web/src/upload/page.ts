/** The page's fixed parts, found once. */

/** The element with this id; a page without it is a defect. */
export function part<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${id}.`);
  return found;
}

const LINES = 30;

/** Say it to those who hear the page instead of seeing it (an ARIA log: what is added is read in turn). */
export function announce(sentence: string): void {
  const log = part("log", HTMLDivElement);
  const line = document.createElement("p");
  line.textContent = sentence;
  log.append(line);
  while (log.childElementCount > LINES) log.firstElementChild?.remove();
}
