/** Group commit: which of the queued write units go out together, as which units on the disk. */
import type { Entry, HardState, LogPosition, WriteUnit } from '../raft/types.ts';
import { encodeUnit, TABLE_ROW_BYTES, UNIT_HEADER_BYTES, type UnitPlace, unitBytes } from './unit-format.ts';

/** More in one write than this makes those that wait for it wait longer without making the disk faster. */
const MAX_WRITE_BYTES = 4 * 1024 * 1024;

export interface PlannedUnit {
  hardState: HardState;
  readonly firstIndex: number;
  readonly entries: Entry[];
  payloadBytes: number;
  /** The log's last entry when this unit is replayed. */
  last: LogPosition;
}

export interface WriteBatch {
  readonly units: readonly PlannedUnit[];
  /** Of the queued write units, from the first on. */
  readonly taken: number;
  /** The log's last entry after all of them. */
  readonly last: LogPosition;
}

/**
 * Takes as many units as `roomBytes` and one write hold. Neighbours become one unit on the disk, unless the later one replaces entries:
 * replaying a unit must not depend on what it was merged from. Stops before a reset, which is no unit on the disk. `taken` is 0 when not
 * even the first fits.
 */
export function planBatch(queue: readonly WriteUnit[], lastBefore: LogPosition, roomBytes: number): WriteBatch {
  const units: PlannedUnit[] = [];
  let last = lastBefore;
  let taken = 0;
  let closedBytes = 0;
  for (const unit of queue) {
    if (unit.reset !== undefined) break;
    const open = unit.truncateFrom === undefined ? units.at(-1) : undefined;
    const payloadBytes = unit.entries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    const before = units.at(-1);
    if (open === undefined && before !== undefined) closedBytes += unitBytes(before.entries.length, before.payloadBytes);
    const openBytes = unitBytes((open?.entries.length ?? 0) + unit.entries.length, (open?.payloadBytes ?? 0) + payloadBytes);
    if (closedBytes + openBytes > (taken === 0 ? roomBytes : Math.min(roomBytes, MAX_WRITE_BYTES))) break;
    const firstIndex = unit.truncateFrom ?? last.index + 1;
    last = unit.entries.at(-1) ?? last;
    if (open === undefined) {
      units.push({
        hardState: unit.hardState,
        firstIndex,
        entries: [...unit.entries],
        payloadBytes,
        last,
      });
    } else {
      open.hardState = unit.hardState;
      open.payloadBytes += payloadBytes;
      open.last = last;
      for (const entry of unit.entries) open.entries.push(entry);
    }
    taken += 1;
  }
  return { units, taken, last };
}

/** At most what a write unit takes on the disk, alone or merged. */
export function maxBytesOnDisk(unit: WriteUnit): number {
  let payloadBytes = 0;
  for (const { payload } of unit.entries) payloadBytes += payload.byteLength;
  return unitBytes(unit.entries.length, payloadBytes);
}

export interface PlacedUnit {
  readonly unit: PlannedUnit;
  readonly position: number;
  readonly table: Buffer;
}

export interface EncodedBatch {
  readonly buffers: readonly Uint8Array[];
  readonly placed: readonly PlacedUnit[];
  /** Where the next unit goes. */
  readonly endPosition: number;
}

const PADDING = Buffer.alloc(64);

/** All of them state that what is durable now is `durableSequence`, and are numbered on from it. */
export function encodeBatch(units: readonly PlannedUnit[], start: UnitPlace, durableSequence: number, seed: number): EncodedBatch {
  const buffers: Uint8Array[] = [];
  const placed: PlacedUnit[] = [];
  let { position } = start;
  let missingBytes = 0;
  for (const [at, unit] of units.entries()) {
    const { hardState, firstIndex, entries, payloadBytes, last } = unit;
    const header = {
      sequence: durableSequence + 1 + at,
      durableSequence,
      hardState,
      firstIndex,
      entryCount: entries.length,
      payloadBytes,
      lastTerm: last.term,
    };
    const encoded = encodeUnit(header, entries, { segment: start.segment, position }, seed);
    // The space behind the last one is zero already.
    if (missingBytes > 0) buffers.push(PADDING.subarray(0, missingBytes));
    for (const buffer of encoded.buffers) buffers.push(buffer);
    placed.push({ unit, position, table: encoded.table });
    const bytes = unitBytes(entries.length, payloadBytes);
    missingBytes = bytes - UNIT_HEADER_BYTES - TABLE_ROW_BYTES * entries.length - payloadBytes;
    position += bytes;
  }
  return { buffers, placed, endPosition: position };
}
