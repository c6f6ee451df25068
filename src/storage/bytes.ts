const HIGH = 2 ** 32;

/** A whole number below 2^53 as 8 bytes, big-endian. Much faster than by way of BigInt. */
export function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / HIGH), at);
  bytes.writeUInt32BE(value % HIGH, at + 4);
}

/** May be above 2^53, and then inexact, when the bytes are not what `writeNumber` wrote: callers check checksums first. */
export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * HIGH + bytes.readUInt32BE(at + 4);
}

export function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

const ZEROS = Buffer.alloc(64 * 1024);

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    // Native comparison: tens of times faster than a loop over bytes.
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}
