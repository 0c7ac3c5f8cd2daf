/** The upload page: people's files in, transfers on, what happens shown. */
import { Gateway } from "./gateway.js";
import { Limiter } from "./limiter.js";
import { Memory } from "./memory.js";
import { announce, part } from "./page.js";
import { Row, type Acts } from "./row.js";
import { chosen, dropped, picked, reopened, type Source } from "./source.js";
import { Token } from "./token.js";
import { Total } from "./total.js";
import { Transfer, type Services } from "./transfer.js";
import "./upload.css";

/** Milliseconds between two looks at the progress. */
const TICK = 250;

const token = new Token(restored);
const services: Services = {
  gateway: new Gateway(() => token.value),
  memory: new Memory(),
  files: new Limiter(3),
  requests: new Limiter(6), // as many as browsers open to one host over HTTP/1.1
};
const rows = new Map<Transfer, Row>();
const total = new Total();
const list = part("list", HTMLUListElement);
const choose = part("choose", HTMLButtonElement);
const acts: Acts = { go, end };
/** The upload whose file is asked for just now. */
let sought: Transfer | null = null;

/** A first use of the token: what of this caller's is unfinished; what was stopped for want of a token goes on. */
async function restored(): Promise<void> {
  const found = await services.gateway.unfinished(new AbortController().signal);
  const here = new Set(Array.from(rows.keys(), (transfer) => transfer.id));
  for (const upload of found) {
    const { size } = upload;
    if (size !== null && upload.strategy === "multipart" && !here.has(upload.id)) {
      show(await Transfer.again({ ...upload, size }, services, changed));
    }
  }
  for (const transfer of rows.keys()) if (stopped(transfer)) transfer.start();
}

/** Whether only the token was missing. */
function stopped({ state }: Transfer): boolean {
  return state.kind === "waiting" || (state.kind === "failed" && state.credential);
}

function show(transfer: Transfer): void {
  const row = new Row(transfer, acts);
  rows.set(transfer, row);
  list.append(row.element);
  refresh();
}

function changed(transfer: Transfer): void {
  rows.get(transfer)?.update();
  const { state } = transfer;
  if (state.kind === "failed" && state.credential && token.accepted) token.ask(state.sentence);
  refresh();
}

function refresh(): void {
  total.update([...rows.keys()], performance.now());
}

async function added(sources: readonly Source[]): Promise<void> {
  for (const source of sources) {
    const interrupted = [...rows.keys()].find((transfer) => transfer.fits(source));
    if (interrupted !== undefined) await resumed(interrupted, source.file);
    else begun(source);
  }
}

function begun(source: Source): void {
  const transfer = Transfer.of(source, services, changed);
  show(transfer);
  if (token.accepted) transfer.start();
  else if (rows.size === 1) token.ask("");
}

async function resumed(transfer: Transfer, file: File): Promise<void> {
  if (await transfer.found(file)) transfer.start();
  else announce(`${transfer.name}: this is another file; the one that was begun has ${transfer.size} bytes.`);
}

function go(transfer: Transfer): void {
  if (transfer.active) transfer.pause();
  else if (transfer.needsFile) void sourceOf(transfer);
  else transfer.start();
}

async function sourceOf(transfer: Transfer): Promise<void> {
  const file = transfer.handle === null ? null : await reopened(transfer.handle);
  if (file !== null && (await transfer.found(file))) {
    transfer.start();
    return;
  }
  transfer.handle = null;
  changed(transfer);
  sought = transfer;
  part("again", HTMLInputElement).click();
}

function end(transfer: Transfer): void {
  const kept = transfer.over;
  void transfer.cancel();
  const row = rows.get(transfer);
  const next = row?.element.nextElementSibling ?? row?.element.previousElementSibling;
  row?.element.remove();
  rows.delete(transfer);
  if (!kept) announce(`${transfer.name}: Cancelled`);
  const neighbour = [...rows.values()].find(({ element }) => element === next);
  if (neighbour === undefined) choose.focus();
  else neighbour.focus();
  refresh();
}

function pauseOrResumeAll(): void {
  const all = [...rows.keys()];
  const sending = all.some((transfer) => transfer.active);
  for (const transfer of all) {
    if (sending) transfer.pause();
    else if (!transfer.needsFile) transfer.start();
  }
}

function listen(): void {
  const files = part("files", HTMLInputElement);
  const folder = part("folder", HTMLInputElement);
  const again = part("again", HTMLInputElement);
  choose.addEventListener("click", () => {
    void picked().then((sources) => (sources === null ? files.click() : added(sources)));
  });
  part("choose-folder", HTMLButtonElement).addEventListener("click", () => folder.click());
  files.addEventListener("change", () => void added(chosen(files)));
  folder.addEventListener("change", () => void added(chosen(folder)));
  again.addEventListener("change", () => {
    const file = chosen(again)[0]?.file;
    if (sought !== null && file !== undefined) void resumed(sought, file);
    sought = null;
  });
  part("pause-all", HTMLButtonElement).addEventListener("click", pauseOrResumeAll);
  part("clear", HTMLButtonElement).addEventListener("click", () => {
    for (const transfer of [...rows.keys()].filter(({ over }) => over)) end(transfer);
    choose.focus();
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    if (event.dataTransfer !== null) void dropped(event.dataTransfer).then(added);
  });
  addEventListener("beforeunload", (event) => {
    if ([...rows.keys()].some(({ active }) => active)) event.preventDefault();
  });
  setInterval(() => {
    if (![...rows.keys()].some(({ active }) => active)) return;
    for (const row of rows.values()) row.update();
    refresh();
  }, TICK);
}

listen();
void token.find();
