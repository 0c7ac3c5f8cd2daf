/**
 * What outlives a reload, in this browser (IndexedDB): which file an upload was made of, and its parts' checksums.
 *
 * Never the credential. All of it is a help: a browser that keeps nothing (a private window) uploads as well, and then
 * asks for the file again.
 */

export interface Remembered {
  id: string;
  name: string;
  size: number;
  /** When the file was last changed, in milliseconds since 1970: another time is another content. */
  modified: number;
  partSize: number;
  /** The file itself, where the browser can keep a way to it. */
  handle: FileSystemFileHandle | null;
}

const UPLOADS = "uploads";
const CHECKSUMS = "checksums";

/** The store; every call resolves, to nothing where the browser keeps nothing. */
export class Memory {
  readonly #database: Promise<IDBDatabase | null>;

  constructor(name = "upload-gateway") {
    this.#database = opened(name).catch(() => null);
  }

  /** Keep an upload. */
  async keep(upload: Remembered): Promise<void> {
    await this.#with("readwrite", (stores) => stores(UPLOADS).put(upload));
  }

  /** The upload with this id. */
  async recall(id: string): Promise<Remembered | null> {
    return (await this.#with<Remembered>("readonly", (stores) => stores(UPLOADS).get(id))) ?? null;
  }

  /** Keep the checksum of a part. */
  async keepChecksum(id: string, number: number, value: bigint): Promise<void> {
    await this.#with("readwrite", (stores) => stores(CHECKSUMS).put(value.toString(16), [id, number]));
  }

  /** The checksums of an upload's parts, by number. */
  async checksums(id: string): Promise<Map<number, bigint>> {
    const range = every(id);
    const numbers = await this.#with<IDBValidKey[]>("readonly", (stores) => stores(CHECKSUMS).getAllKeys(range));
    const values = await this.#with<string[]>("readonly", (stores) => stores(CHECKSUMS).getAll(range));
    return new Map(
      (numbers ?? []).map((key, at) => [(key as [string, number])[1], BigInt(`0x${values?.[at] ?? "0"}`)]),
    );
  }

  /** Forget an upload. */
  async forget(id: string): Promise<void> {
    await this.#with("readwrite", (stores) => {
      stores(CHECKSUMS).delete(every(id));
      return stores(UPLOADS).delete(id);
    });
  }

  async #with<T>(
    mode: IDBTransactionMode,
    ask: (stores: (name: string) => IDBObjectStore) => IDBRequest,
  ): Promise<T | undefined> {
    const database = await this.#database;
    if (database === null) return undefined;
    return new Promise((resolve) => {
      const transaction = database.transaction([UPLOADS, CHECKSUMS], mode);
      const request = ask((name) => transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request.result as T);
      transaction.onabort = () => resolve(undefined);
    });
  }
}

function every(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id, 0], [id, Number.MAX_SAFE_INTEGER]);
}

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(UPLOADS, { keyPath: "id" });
      request.result.createObjectStore(CHECKSUMS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
