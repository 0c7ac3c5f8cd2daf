/**
 * CRC-64/NVME (NVM Command Set Specification 1.0, section 5.2.1.3.4), S3's default checksum of a whole object.
 *
 * Reflected, initial value and final xor all ones. The checksum of a whole is made of its parts' checksums, so that
 * parts are read in any order and each only once.
 */

const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
const TOP = 1n << 63n;
const SLICES = 8;
/** Bytes read at a time: little enough to leave the page responsive, enough to be fast. */
const CHUNK = 1 << 20;

/** Slicing-by-8: entry [k * 256 + b] is the state after byte b and k zero bytes, as two halves of 32 bits. */
const { LOW, HIGH } = tables();

function tables(): { LOW: Int32Array; HIGH: Int32Array } {
  const low = new Int32Array(SLICES * 256);
  const high = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let state = BigInt(byte);
    for (let slice = 0; slice < SLICES; slice++) {
      for (let bit = 0; bit < 8; bit++) state = state & 1n ? (state >> 1n) ^ POLYNOMIAL : state >> 1n;
      low[slice * 256 + byte] = Number(BigInt.asIntN(32, state));
      high[slice * 256 + byte] = Number(BigInt.asIntN(32, state >> 32n));
    }
  }
  return { LOW: low, HIGH: high };
}

/** A running checksum. */
export class Crc64 {
  #low = -1;
  #high = -1;

  /** Take the next bytes. */
  update(bytes: Uint8Array): void {
    let low = this.#low;
    let high = this.#high;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const whole = bytes.length - (bytes.length % SLICES);
    for (let at = 0; at < whole; at += SLICES) {
      const a = low ^ view.getInt32(at, true);
      const b = high ^ view.getInt32(at + 4, true);
      low =
        LOW[1792 + (a & 255)]! ^ LOW[1536 + ((a >>> 8) & 255)]! ^
        LOW[1280 + ((a >>> 16) & 255)]! ^ LOW[1024 + (a >>> 24)]! ^
        LOW[768 + (b & 255)]! ^ LOW[512 + ((b >>> 8) & 255)]! ^ LOW[256 + ((b >>> 16) & 255)]! ^ LOW[b >>> 24]!;
      high =
        HIGH[1792 + (a & 255)]! ^ HIGH[1536 + ((a >>> 8) & 255)]! ^
        HIGH[1280 + ((a >>> 16) & 255)]! ^ HIGH[1024 + (a >>> 24)]! ^
        HIGH[768 + (b & 255)]! ^ HIGH[512 + ((b >>> 8) & 255)]! ^ HIGH[256 + ((b >>> 16) & 255)]! ^ HIGH[b >>> 24]!;
    }
    for (let at = whole; at < bytes.length; at++) {
      const index = (low ^ bytes[at]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ LOW[index]!;
      high = (high >>> 8) ^ HIGH[index]!;
    }
    this.#low = low;
    this.#high = high;
  }

  /** The checksum of all bytes so far. */
  get value(): bigint {
    return (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
  }
}

/** The checksum of a blob, read piece by piece; rejects with the signal's reason, or as the blob can't be read. */
export async function checksum(blob: Blob, signal: AbortSignal): Promise<bigint> {
  const running = new Crc64();
  for (let at = 0; at < blob.size; at += CHUNK) {
    signal.throwIfAborted();
    running.update(new Uint8Array(await blob.slice(at, at + CHUNK).arrayBuffer()));
  }
  return running.value;
}

/** The checksum of a whole whose parts, in order, have these checksums and lengths in bytes. */
export function combined(parts: Iterable<{ value: bigint; length: number }>): bigint {
  const shifts = new Map<number, bigint>();
  let whole = 0n;
  for (const { value, length } of parts) {
    const shift = shifts.get(length) ?? power(length);
    shifts.set(length, shift);
    whole = product(shift, whole) ^ value;
  }
  return whole;
}

/** As S3's headers have it: base64 of eight bytes, the highest first. */
export function base64(value: bigint): string {
  const bytes = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(56 - 8 * at)) & 255n));
  return btoa(String.fromCharCode(...bytes));
}

/** a·b modulo the polynomial, both reflected: the highest bit is x⁰. */
function product(a: bigint, b: bigint): bigint {
  let sum = 0n;
  for (let bit = TOP; bit && a; bit >>= 1n) {
    if (a & bit) {
      sum ^= b;
      a ^= bit;
    }
    b = b & 1n ? (b >> 1n) ^ POLYNOMIAL : b >> 1n;
  }
  return sum;
}

/** x^(8·length): what so many bytes after it do to a state. */
function power(length: number): bigint {
  let result = TOP;
  let square = TOP >> 8n;
  for (let rest = BigInt(length); rest; rest >>= 1n) {
    if (rest & 1n) result = product(square, result);
    square = product(square, square);
  }
  return result;
}
