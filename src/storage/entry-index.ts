import { assert } from '../base/assert.ts';
import { readRow, TABLE_ROW_BYTES, UNIT_HEADER_BYTES } from './unit-format.ts';

const ENTRIES_PER_CHUNK = 16_384;
const FIELDS = 4;
const KINDS = 256;

/** Where an entry's payload lies. Its term is in `TermRuns`. */
export interface EntryPosition {
  readonly segment: number;
  readonly position: number;
  readonly payloadBytes: number;
  readonly crc: number;
  readonly kind: number;
}

/**
 * Position and checksum of every entry that is on the disk, by index: 16 bytes each, 16 MB a million entries, outside the
 * JavaScript heap. Nothing on the disk is overwritten, so that a truncation only lowers `lastIndex`.
 */
export class EntryIndex {
  #baseIndex: number;
  #lastIndex: number;
  readonly #chunks = new Map<number, Uint32Array>();

  constructor(baseIndex: number) {
    this.#baseIndex = baseIndex;
    this.#lastIndex = baseIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Without entries, after another base. */
  reset(baseIndex: number): void {
    this.#chunks.clear();
    this.#baseIndex = baseIndex;
    this.#lastIndex = baseIndex;
  }

  /** Forgets the entries up to `baseIndex`. */
  trim(baseIndex: number): void {
    assert(baseIndex <= this.#lastIndex, 'only what is on the disk is dropped');
    for (let chunk = chunkOf(this.#baseIndex + 1); chunk < chunkOf(baseIndex + 1); chunk++) this.#chunks.delete(chunk);
    this.#baseIndex = baseIndex;
  }

  truncate(firstIndex: number): void {
    this.#lastIndex = Math.min(this.#lastIndex, Math.max(firstIndex - 1, this.#baseIndex));
  }

  /** Enters the entries of a unit that lies at `position`, those up to the base and those above `limit` left out. */
  addUnit(segment: number, position: number, firstIndex: number, table: Buffer, limit: number): void {
    if (table.length === 0) return;
    const count = table.length / TABLE_ROW_BYTES;
    this.truncate(firstIndex);
    assert(this.#lastIndex >= firstIndex - 1 || limit < firstIndex, 'positions are entered without gaps');
    let at = position + UNIT_HEADER_BYTES + table.length;
    for (let row = 0; row < count && firstIndex + row <= limit; row++) {
      const { payloadBytes, crc, kind } = readRow(table, row);
      if (firstIndex + row > this.#baseIndex) this.#add(segment, at, payloadBytes, crc, kind);
      at += payloadBytes;
    }
  }

  get(index: number): EntryPosition {
    assert(index > this.#baseIndex && index <= this.#lastIndex, `no stored entry ${index}`);
    const chunk = this.#chunks.get(chunkOf(index)) as Uint32Array;
    const at = (index % ENTRIES_PER_CHUNK) * FIELDS;
    const first = chunk[at] as number;
    return {
      segment: Math.floor(first / KINDS),
      kind: first % KINDS,
      position: chunk[at + 1] as number,
      payloadBytes: chunk[at + 2] as number,
      crc: chunk[at + 3] as number,
    };
  }

  #add(segment: number, position: number, payloadBytes: number, crc: number, kind: number): void {
    const index = this.#lastIndex + 1;
    let chunk = this.#chunks.get(chunkOf(index));
    if (chunk === undefined) {
      chunk = new Uint32Array(ENTRIES_PER_CHUNK * FIELDS);
      this.#chunks.set(chunkOf(index), chunk);
    }
    const at = (index % ENTRIES_PER_CHUNK) * FIELDS;
    chunk[at] = segment * KINDS + kind;
    chunk[at + 1] = position;
    chunk[at + 2] = payloadBytes;
    chunk[at + 3] = crc;
    this.#lastIndex = index;
  }
}

function chunkOf(index: number): number {
  return Math.floor(index / ENTRIES_PER_CHUNK);
}
