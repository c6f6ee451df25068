/**
 * The first block of a segment file and the file's name. The header is written and synced, with the whole zero-filled file, before the
 * file gets its name; it never changes. A header that does not verify is therefore damage, never an interrupted start.
 */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { assert } from '../base/assert.ts';
import { readNumber, writeNumber } from './bytes.ts';

/** One block of the file system, so that no unit shares it. */
export const SEGMENT_HEADER_BYTES = 4_096;
/**
 * Format of segment files and of the units in them. 2: the log has a head file, and units without entries carry the last entry's term.
 * Both are read; what is written is the newest.
 */
export const SEGMENT_FORMAT = 2;
/** Positions are kept in 32 bits. */
const FIRST_SEGMENT_BYTES = 1024 * 1024;
export const MAX_SEGMENT_BYTES = 2 ** 32 - 64;
/** Segment numbers are kept in 24 bits: 1 PiB of 64 MiB segments. */
export const MAX_SEGMENT_NUMBER = 2 ** 24 - 1;

const MAGIC = Buffer.from('LOGRAFTS');
const CHECKED_BYTES = 64;
const AT = { magic: 0, crc: 8, format: 12, number: 16, bytes: 24, log: 32 } as const;

export interface SegmentHeader {
  readonly number: number;
  /** Size of the file. */
  readonly segmentBytes: number;
  /** 16 random bytes, the same in all segments of one log: a file from another log is noticed. */
  readonly logId: Buffer;
}

export type HeaderVerdict =
  | { readonly type: 'valid'; readonly header: SegmentHeader }
  | { readonly type: 'newerFormat'; readonly format: number }
  | { readonly type: 'damaged' };

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  assert(header.number >= 1 && header.number <= MAX_SEGMENT_NUMBER, `segment number out of range: ${header.number}`);
  assert(header.logId.length === 16, 'a log id has 16 bytes');
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, AT.magic);
  bytes.writeUInt16BE(SEGMENT_FORMAT, AT.format);
  writeNumber(bytes, header.number, AT.number);
  writeNumber(bytes, header.segmentBytes, AT.bytes);
  header.logId.copy(bytes, AT.log);
  bytes.writeUInt32BE(crc32c(bytes.subarray(AT.format, CHECKED_BYTES)), AT.crc);
  return bytes;
}

export function decodeSegmentHeader(bytes: Buffer): HeaderVerdict {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { type: 'damaged' };
  if (crc32c(bytes.subarray(AT.format, CHECKED_BYTES)) !== bytes.readUInt32BE(AT.crc)) return { type: 'damaged' };
  // Every later format keeps magic, checksum and format number where they are.
  const format = bytes.readUInt16BE(AT.format);
  if (format > SEGMENT_FORMAT) return { type: 'newerFormat', format };
  const logId = Buffer.from(bytes.subarray(AT.log, AT.log + 16));
  return { type: 'valid', header: { number: readNumber(bytes, AT.number), segmentBytes: readNumber(bytes, AT.bytes), logId } };
}

/** Seed of all header checksums in a log: units of another log never look valid in this one. */
export function logSeed(logId: Buffer): number {
  return crc32c(logId);
}

const NAME = /^(\d{8})\.segment$/;
/** A segment that is still being filled with zeros. Holds nothing: removed when the log is opened. */
const FILLING = '.filling';

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(8, '0')}.segment`);
}

export function fillingPath(directory: string, number: number): string {
  return segmentPath(directory, number) + FILLING;
}

export function isFilling(name: string): boolean {
  return name.endsWith(FILLING) && NAME.test(name.slice(0, -FILLING.length));
}

export function segmentNumber(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** The first segments are small, each twice the last, up to what is wanted: a group that is hardly used takes little of the disk. */
export function grownSegmentBytes(number: number, segmentBytes: number): number {
  return Math.min(segmentBytes, FIRST_SEGMENT_BYTES * 2 ** Math.min(number - 1, 32));
}
