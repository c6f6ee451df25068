/** Payload sizes of the most recent entries, so that messages can be cut and windows counted without holding any payload. */
import { assert } from '../base/assert.ts';
import type { LogIndex } from './types.ts';

/**
 * A ring of running totals: `total(i)` is the number of payload bytes of all entries noted up to i, so the size of any range is one
 * subtraction and a cut is a binary search. Totals are exact up to 2^53 bytes.
 *
 * Invariant: totals are known for `[firstIndex - 1, lastIndex]`, at most `capacity` entries.
 */
export class EntrySizes {
  readonly #capacity: number;
  readonly #totals: Float64Array;
  #firstIndex: number;
  #lastIndex: number;

  constructor(capacity: number, lastIndex: LogIndex) {
    assert(capacity >= 1, 'a window of sizes holds at least one entry');
    this.#capacity = capacity;
    this.#totals = new Float64Array(capacity + 1);
    this.#firstIndex = lastIndex + 1;
    this.#lastIndex = lastIndex;
  }

  /** A window of the same capacity for a log that begins anew after `lastIndex`. */
  emptiedAt(lastIndex: LogIndex): EntrySizes {
    return new EntrySizes(this.#capacity, lastIndex);
  }

  /** First entry whose size is known; the index after the last entry when none is. */
  get firstIndex(): LogIndex {
    return this.#firstIndex as LogIndex;
  }

  append(bytes: number): void {
    assert(bytes >= 0, `not a size: ${bytes}`);
    const total = this.#total(this.#lastIndex) + bytes;
    this.#lastIndex += 1;
    this.#totals[this.#slot(this.#lastIndex)] = total;
    this.#firstIndex = Math.max(this.#firstIndex, this.#lastIndex - this.#capacity + 1);
  }

  /** Forgets entries from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(index >= 1 && index <= this.#lastIndex, `cannot truncate from ${index}`);
    this.#lastIndex = index - 1;
    if (index >= this.#firstIndex) return;
    // Everything known is gone, and the total before `index` was overwritten long ago: count anew from zero.
    this.#firstIndex = index;
    this.#totals[this.#slot(this.#lastIndex)] = 0;
  }

  /** Payload bytes of entries `[first, last]`, all of them known. */
  bytes(first: LogIndex, last: LogIndex): number {
    assert(first >= this.#firstIndex && last <= this.#lastIndex && first <= last + 1, `sizes unknown: ${first}..${last}`);
    return this.#total(last) - this.#total(first - 1);
  }

  /** Last entry of the longest run from `first` that fits `maximumBytes`; always at least `first` itself. */
  lastFitting(first: LogIndex, maximumBytes: number): LogIndex {
    assert(first >= this.#firstIndex && first <= this.#lastIndex, `size unknown: ${first}`);
    const limit = this.#total(first - 1) + maximumBytes;
    let fits: number = first;
    let beyond = this.#lastIndex + 1;
    while (beyond - fits > 1) {
      const middle = Math.floor((fits + beyond) / 2);
      if (this.#total(middle) <= limit) fits = middle;
      else beyond = middle;
    }
    return fits as LogIndex;
  }

  #slot(index: number): number {
    return index % (this.#capacity + 1);
  }

  #total(index: number): number {
    const total = this.#totals[this.#slot(index)];
    assert(total !== undefined, 'the slot lies in the ring');
    return total;
  }
}
