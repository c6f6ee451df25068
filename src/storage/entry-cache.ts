import { assert } from '../base/assert.ts';
import type { Entry } from '../raft/types.ts';

/** What an entry costs beside its payload, so that empty ones do not gather without end. */
const ENTRY_OVERHEAD_BYTES = 128;

/**
 * The newest entries: always the whole end of the log from some index on, so that it cannot disagree with it. Bounded by
 * bytes, except that what is not on the disk yet stays.
 */
export class EntryCache {
  readonly #maxBytes: number;
  #entries: (Entry | undefined)[] = [];
  /** Slots before this one were dropped; the array is cut when half of it is. */
  #head = 0;
  #bytes = 0;
  #lastIndex: number;

  constructor(maxBytes: number, lastIndex: number) {
    this.#maxBytes = maxBytes;
    this.#lastIndex = lastIndex;
  }

  get firstIndex(): number {
    return this.#lastIndex - (this.#entries.length - this.#head) + 1;
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, 'entries are appended without gaps');
    this.#entries.push(entry);
    this.#lastIndex = entry.index;
    this.#bytes += costBytes(entry);
  }

  /** Empty, for a log whose last entry is this. */
  reset(lastIndex: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#lastIndex = lastIndex;
  }

  /** Drops the entries up to `baseIndex`. */
  trim(baseIndex: number): void {
    assert(baseIndex <= this.#lastIndex, 'only what exists is dropped');
    while (this.firstIndex <= baseIndex && this.#entries.length > this.#head) this.#dropFirst();
    this.#cut();
  }

  truncate(firstIndex: number): void {
    assert(firstIndex >= 1 && firstIndex <= this.#lastIndex + 1, 'only what exists is truncated');
    while (this.#lastIndex >= firstIndex && this.#entries.length > this.#head) {
      this.#bytes -= costBytes(this.#entries.pop() as Entry);
      this.#lastIndex -= 1;
    }
    this.#lastIndex = firstIndex - 1;
  }

  /** Drops the oldest until the bound holds, but nothing after `storedIndex`. */
  shrink(storedIndex: number): void {
    for (let first = this.firstIndex; this.#bytes > this.#maxBytes && first <= storedIndex; first++) {
      this.#dropFirst();
    }
    this.#cut();
  }

  /** `first` is cached. Cut after `maxBytes` of payload, never empty. */
  read(first: number, last: number, maxBytes: number): Entry[] {
    const from = this.#head + first - this.firstIndex;
    assert(from >= this.#head && last <= this.#lastIndex && first <= last, 'only cached entries are read from the cache');
    let to = from;
    let bytes = 0;
    for (const end = from + last - first; to <= end; to++) {
      bytes += (this.#entries[to] as Entry).payload.byteLength;
      if (bytes > maxBytes && to > from) break;
    }
    return this.#entries.slice(from, to) as Entry[];
  }

  #dropFirst(): void {
    this.#bytes -= costBytes(this.#entries[this.#head] as Entry);
    // At once, not when the array is cut: what is dropped must not be kept alive.
    this.#entries[this.#head] = undefined;
    this.#head += 1;
  }

  #cut(): void {
    if (this.#head === 0 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}

function costBytes(entry: Entry): number {
  return entry.payload.byteLength + ENTRY_OVERHEAD_BYTES;
}
