/** What a log is once all that it took is on the disk: changed at once, before the disk has it. */
import { assert } from '../base/assert.ts';
import type { Entry, LogBase, LogIndex, WriteUnit } from '../raft/types.ts';
import { DamagedEntries } from './damaged-entries.ts';
import { EntryCache } from './entry-cache.ts';
import type { EntryIndex, EntryPosition } from './entry-index.ts';
import type { TermRuns } from './term-runs.ts';

export class LogView {
  readonly terms: TermRuns;
  readonly index: EntryIndex;
  readonly cache: EntryCache;
  readonly damaged: DamagedEntries;
  #base: LogBase;
  /** How often the log began anew: what was read before is of another log. */
  #resets = 0;

  constructor(base: LogBase, terms: TermRuns, index: EntryIndex, damaged: readonly number[], cacheBytes: number) {
    this.#base = base;
    this.terms = terms;
    this.index = index;
    this.damaged = new DamagedEntries(damaged);
    this.cache = new EntryCache(cacheBytes, terms.lastIndex);
  }

  get base(): LogBase {
    return this.#base;
  }

  get resets(): number {
    return this.#resets;
  }

  get lastIndex(): LogIndex {
    return this.terms.lastIndex as LogIndex;
  }

  apply(unit: WriteUnit, maxEntryBytes: number): void {
    if (unit.reset !== undefined) this.#reset(unit.reset);
    this.#check(unit, maxEntryBytes);
    const { truncateFrom, entries } = unit;
    if (truncateFrom !== undefined) {
      this.terms.truncate(truncateFrom);
      this.cache.truncate(truncateFrom);
      this.index.truncate(truncateFrom);
      this.damaged.truncate(truncateFrom);
    }
    for (const entry of entries) {
      this.terms.append(entry.term);
      this.cache.append(entry);
    }
  }

  trim(base: LogBase): void {
    assert(base.index <= this.index.lastIndex, `only what is durable is dropped, not ${base.index} of ${this.index.lastIndex}`);
    assert(this.terms.termAt(base.index) === base.term, 'the base is an entry of this log');
    this.terms.trim(base);
    this.cache.trim(base.index);
    this.index.trim(base.index);
    this.damaged.trim(base.index);
    this.#base = base;
  }

  /** Whether the entry's payload lies where it lay when this was looked up. */
  liesAt(index: number, { segment, position }: Pick<EntryPosition, 'segment' | 'position'>): boolean {
    if (index <= this.#base.index || index > this.index.lastIndex) return false;
    const now = this.index.get(index);
    return now.segment === segment && now.position === position;
  }

  #reset(base: LogBase): void {
    assert(base.index >= this.#base.index, `a log that begins after ${this.#base.index} does not begin anew after ${base.index}`);
    this.terms.reset(base);
    this.cache.reset(base.index);
    this.index.reset(base.index);
    this.damaged.clear();
    this.#base = base;
    this.#resets += 1;
  }

  #check({ reset, truncateFrom, entries }: WriteUnit, maxEntryBytes: number): void {
    const first = entries[0];
    assert(truncateFrom === undefined || truncateFrom === first?.index, 'a truncation begins with the entry that replaces');
    assert(truncateFrom === undefined || reset === undefined, 'a log that begins anew has nothing to truncate');
    assert(truncateFrom === undefined || truncateFrom <= this.lastIndex + 1, 'only what exists is truncated');
    assert(truncateFrom === undefined || truncateFrom > this.#base.index, 'what was committed is not truncated');
    let expected = truncateFrom ?? this.lastIndex + 1;
    for (const { index, payload } of entries) {
      assert(index === expected, `entry ${index} where ${expected} belongs`);
      assert(payload.byteLength <= maxEntryBytes, `entry ${index} of ${payload.byteLength} bytes is above maxEntryBytes`);
      expected += 1;
    }
  }

  /** What is in the cache of a range whose first part was planned to be read from the disk, when that part is complete. */
  cachedAfter(
    planned: { readonly length: number; readonly bytes: number },
    first: LogIndex,
    last: LogIndex,
    maxBytes: number,
  ): readonly Entry[] {
    const cachedFrom = this.cache.firstIndex;
    if (planned.length < cachedFrom - first || last < cachedFrom) return [];
    const left = maxBytes - planned.bytes;
    const cached = this.cache.read(cachedFrom, last, left);
    // The cache never returns nothing; here there is something already.
    return cached.length === 1 && (cached[0] as Entry).payload.byteLength > left ? [] : cached;
  }
}
