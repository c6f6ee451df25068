/**
 * A unit: what one group commit, or a part of it, puts on the disk.
 *
 *     header 128 bytes | table 16 bytes x entries | payloads, one after the other | up to the next 64-byte boundary: nothing
 *
 * Which entries a unit has stands apart from their payloads and is checked apart from them: a damaged payload is known to have existed.
 */
import { crc32c } from '@node-rs/crc32';
import { assert } from '../base/assert.ts';
import type { Entry, HardState, NodeId, Term } from '../raft/types.ts';
import { alignUp, readNumber, writeNumber } from './bytes.ts';
import { SEGMENT_FORMAT } from './segment-header.ts';

export const UNIT_ALIGNMENT_BYTES = 64;
export const UNIT_HEADER_BYTES = 128;
export const TABLE_ROW_BYTES = 16;
/** Smaller payloads are copied together: from here on a copy costs more than one more buffer in the write. */
const COPY_BELOW_BYTES = 4_096;

const MAGIC = 0x4c475255;
const AT = {
  magic: 0,
  crc: 4,
  format: 8,
  voteBytes: 10,
  segment: 12,
  block: 16,
  entries: 20,
  tableCrc: 24,
  payloadBytes: 28,
  /** In units without entries, which need neither of those two. */
  lastTerm: 24,
  sequence: 32,
  durable: 40,
  term: 48,
  firstIndex: 56,
  vote: 64,
} as const;
const ROW = { length: 0, crc: 4, term: 8, kind: 15 } as const;

export interface UnitHeader {
  /** From 1, without gaps over all segments. Not the core's write sequence: that one starts anew with each core. */
  readonly sequence: number;
  /** Newest unit that was known durable when this one was written. What tells rot from a torn tail. */
  readonly durableSequence: number;
  readonly hardState: HardState;
  /** Of the first entry; entries from here on are replaced. Without entries: the index after the last one. */
  readonly firstIndex: number;
  readonly entryCount: number;
  readonly payloadBytes: number;
  /** Without entries: the term of the log's last entry, by which a log is known even when the unit that held that is lost. */
  readonly lastTerm: Term;
  /** Of the unit: see SEGMENT_FORMAT. */
  readonly format: number;
}

/** Where a unit lies: part of its checksummed header, so that one that lies elsewhere is never taken for valid. */
export interface UnitPlace {
  readonly segment: number;
  readonly position: number;
}

export interface EncodedUnit {
  /** Without what follows up to the next 64-byte boundary. */
  readonly buffers: readonly Uint8Array[];
  readonly table: Buffer;
}

export function unitBytes(entryCount: number, payloadBytes: number): number {
  return alignUp(UNIT_HEADER_BYTES + TABLE_ROW_BYTES * entryCount + payloadBytes, UNIT_ALIGNMENT_BYTES);
}

export function encodeUnit(
  header: Omit<UnitHeader, 'format'>,
  entries: readonly Entry[],
  place: UnitPlace,
  seed: number,
): EncodedUnit {
  assert(header.entryCount === entries.length, 'the header counts the entries');
  assert(header.durableSequence < header.sequence, 'a unit is not durable before it is written');
  const head = Buffer.allocUnsafe(UNIT_HEADER_BYTES + TABLE_ROW_BYTES * entries.length);
  head.fill(0, 0, UNIT_HEADER_BYTES);
  const table = head.subarray(UNIT_HEADER_BYTES);
  entries.forEach((entry, at) => {
    writeRow(table, at * TABLE_ROW_BYTES, entry);
  });
  writeHeader(head, header, place, crc32c(table), seed);
  return { buffers: gather(head, entries), table };
}

function writeHeader(head: Buffer, header: Omit<UnitHeader, 'format'>, place: UnitPlace, tableCrc: number, seed: number): void {
  const { term, vote } = header.hardState;
  head.writeUInt32BE(MAGIC, AT.magic);
  head.writeUInt16BE(SEGMENT_FORMAT, AT.format);
  head.writeUInt32BE(place.segment, AT.segment);
  head.writeUInt32BE(place.position / UNIT_ALIGNMENT_BYTES, AT.block);
  head.writeUInt32BE(header.entryCount, AT.entries);
  if (header.entryCount === 0) {
    writeNumber(head, header.lastTerm, AT.lastTerm);
  } else {
    head.writeUInt32BE(tableCrc, AT.tableCrc);
    head.writeUInt32BE(header.payloadBytes, AT.payloadBytes);
  }
  writeNumber(head, header.sequence, AT.sequence);
  writeNumber(head, header.durableSequence, AT.durable);
  writeNumber(head, term, AT.term);
  writeNumber(head, header.firstIndex, AT.firstIndex);
  if (vote !== undefined) head[AT.voteBytes] = head.write(vote, AT.vote, UNIT_HEADER_BYTES - AT.vote, 'latin1');
  head.writeUInt32BE(crc32c(head.subarray(AT.format, UNIT_HEADER_BYTES), seed), AT.crc);
}

function writeRow(table: Buffer, at: number, entry: Entry): void {
  assert(entry.kind >= 0 && entry.kind <= 255, `kind out of range: ${entry.kind}`);
  table.writeUInt32BE(entry.payload.byteLength, at + ROW.length);
  table.writeUInt32BE(crc32c(entry.payload), at + ROW.crc);
  // Seven bytes hold any term, which is below 2^53.
  table.writeUIntBE(Math.floor(entry.term / 2 ** 32), at + ROW.term, 3);
  table.writeUInt32BE(entry.term % 2 ** 32, at + ROW.term + 3);
  table[at + ROW.kind] = entry.kind;
}

/** Large payloads as they are; runs of small ones, and the head with those after it, copied together. */
function gather(head: Buffer, entries: readonly Entry[]): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let small: Uint8Array[] = [head];
  const flush = (): void => {
    if (small.length > 0) buffers.push(small.length === 1 ? (small[0] as Uint8Array) : Buffer.concat(small));
    small = [];
  };
  for (const { payload } of entries) {
    if (payload.byteLength === 0) continue;
    if (payload.byteLength < COPY_BELOW_BYTES) {
      small.push(payload);
      continue;
    }
    flush();
    buffers.push(payload);
  }
  flush();
  return buffers;
}

export type UnitVerdict =
  | { readonly type: 'valid'; readonly header: UnitHeader; readonly tableCrc: number }
  | { readonly type: 'newerFormat'; readonly format: number }
  | { readonly type: 'none' };

const NONE: UnitVerdict = { type: 'none' };

/** Judges 128 bytes. Table and payloads are judged by `verifyBody`. */
export function decodeUnitHeader(bytes: Buffer, at: number, place: UnitPlace, seed: number): UnitVerdict {
  if (at + UNIT_HEADER_BYTES > bytes.length || bytes.readUInt32BE(at + AT.magic) !== MAGIC) return NONE;
  const head = bytes.subarray(at, at + UNIT_HEADER_BYTES);
  if (crc32c(head.subarray(AT.format), seed) !== head.readUInt32BE(AT.crc)) return NONE;
  if (head.readUInt32BE(AT.segment) !== place.segment) return NONE;
  if (head.readUInt32BE(AT.block) !== place.position / UNIT_ALIGNMENT_BYTES) return NONE;
  const format = head.readUInt16BE(AT.format);
  if (format > SEGMENT_FORMAT) return { type: 'newerFormat', format };
  const voteBytes = head.readUInt8(AT.voteBytes);
  const vote = voteBytes === 0 ? undefined : (head.toString('latin1', AT.vote, AT.vote + voteBytes) as NodeId);
  const hardState = { term: readNumber(head, AT.term) as Term, vote };
  const entryCount = head.readUInt32BE(AT.entries);
  const empty = entryCount === 0;
  const header: UnitHeader = {
    sequence: readNumber(head, AT.sequence),
    durableSequence: readNumber(head, AT.durable),
    hardState,
    firstIndex: readNumber(head, AT.firstIndex),
    entryCount,
    payloadBytes: empty ? 0 : head.readUInt32BE(AT.payloadBytes),
    // Format 1 does not say. No entry has a newer term than the hard state.
    lastTerm: empty && format > 1 ? (readNumber(head, AT.lastTerm) as Term) : hardState.term,
    format,
  };
  return { type: 'valid', header, tableCrc: empty ? 0 : head.readUInt32BE(AT.tableCrc) };
}

export interface TableRow {
  readonly payloadBytes: number;
  readonly crc: number;
  readonly term: Term;
  readonly kind: number;
}

export function readRow(table: Buffer, row: number): TableRow {
  const at = row * TABLE_ROW_BYTES;
  return {
    payloadBytes: table.readUInt32BE(at + ROW.length),
    crc: table.readUInt32BE(at + ROW.crc),
    term: (table.readUIntBE(at + ROW.term, 3) * 2 ** 32 + table.readUInt32BE(at + ROW.term + 3)) as Term,
    kind: table.readUInt8(at + ROW.kind),
  };
}

export type BodyVerdict =
  | { readonly type: 'whole' }
  /** What entries there are is not known. */
  | { readonly type: 'structure'; readonly what: string }
  /** What entries there are is known, and which of their payloads are not what was written. */
  | { readonly type: 'payloads'; readonly rows: readonly number[]; readonly what: string };

/** Judges the bytes after a valid header. */
export function verifyBody(header: UnitHeader, tableCrc: number, body: Buffer): BodyVerdict {
  const tableBytes = header.entryCount * TABLE_ROW_BYTES;
  const table = body.subarray(0, tableBytes);
  if (body.length < tableBytes + header.payloadBytes) return { type: 'structure', what: 'a unit that ends after its segment' };
  if (!tableMatches(table, header, tableCrc)) return { type: 'structure', what: 'a damaged entry table' };
  const rows: number[] = [];
  let at = tableBytes;
  for (let row = 0; row < header.entryCount; row++) {
    const { payloadBytes, crc } = readRow(table, row);
    if (crc32c(body.subarray(at, at + payloadBytes)) !== crc) rows.push(row);
    at += payloadBytes;
  }
  if (rows.length === 0) return { type: 'whole' };
  return { type: 'payloads', rows, what: `a damaged entry ${header.firstIndex + (rows[0] as number)}` };
}

export function tableMatches(table: Buffer, header: UnitHeader, tableCrc: number): boolean {
  if (table.length !== header.entryCount * TABLE_ROW_BYTES || crc32c(table) !== tableCrc) return false;
  let payloadBytes = 0;
  for (let row = 0; row < header.entryCount; row++) payloadBytes += readRow(table, row).payloadBytes;
  return payloadBytes === header.payloadBytes;
}

export function payloadMatches(payload: Uint8Array, crc: number): boolean {
  return crc32c(payload) === crc;
}
