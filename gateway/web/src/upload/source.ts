/** Files as people give them: chosen, dropped, in folders; with a way back to them after a reload, if there is one. */

export interface Source {
  file: File;
  /** The name to upload under: with its folders, if it came in one. */
  name: string;
  handle: FileSystemFileHandle | null;
}

/** The browser's own dialogue; handles where it has them. Null: it has none of these and an input must do. */
export async function picked(): Promise<Source[] | null> {
  if (window.showOpenFilePicker === undefined) return null;
  try {
    const handles = await window.showOpenFilePicker({ multiple: true });
    return await Promise.all(handles.map(async (handle) => plain(await handle.getFile(), handle)));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return [];
    return null;
  }
}

/** What an input holds. */
export function chosen(input: HTMLInputElement): Source[] {
  const sources = Array.from(input.files ?? [], (file) => plain(file, null));
  input.value = "";
  return sources;
}

/** What was dropped; call it in the event's own turn, for the data is gone afterwards. */
export async function dropped(data: DataTransfer): Promise<Source[]> {
  const items = Array.from(data.items).filter((item) => item.kind === "file");
  return (await Promise.all(items.map(unpacked))).flat();
}

/** The file behind a handle; asks for permission where it must, so call it from a click. */
export async function reopened(handle: FileSystemFileHandle): Promise<File | null> {
  try {
    const given = (await handle.queryPermission?.({ mode: "read" })) ?? "granted";
    if (given !== "granted" && (await handle.requestPermission?.({ mode: "read" })) !== "granted") return null;
    return await handle.getFile();
  } catch {
    return null; // the file is gone, or the browser has forgotten the way
  }
}

function plain(file: File, handle: FileSystemFileHandle | null): Source {
  return { file, name: file.webkitRelativePath || file.name, handle };
}

async function unpacked(item: DataTransferItem): Promise<Source[]> {
  const entry = item.webkitGetAsEntry();
  const file = item.getAsFile();
  const handle = await item.getAsFileSystemHandle?.().catch(() => null);
  if (entry?.isDirectory) return walked(entry as FileSystemDirectoryEntry);
  if (file === null) return [];
  return [plain(file, handle?.kind === "file" ? (handle as FileSystemFileHandle) : null)];
}

async function walked(folder: FileSystemDirectoryEntry): Promise<Source[]> {
  const reader = folder.createReader();
  const found: Source[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return found;
    for (const entry of entries) {
      if (entry.isDirectory) found.push(...(await walked(entry as FileSystemDirectoryEntry)));
      else found.push(await inFolder(entry as FileSystemFileEntry));
    }
  }
}

async function inFolder(entry: FileSystemFileEntry): Promise<Source> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
  return { file, name: entry.fullPath.replace(/^\//, ""), handle: null };
}
