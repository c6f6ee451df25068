/** What the core knows of the log: which term every entry has, and how big the recent ones are. It holds no payload. */
import { assert } from '../base/assert.ts';
import { EntrySizes } from './entry-sizes.ts';
import type { LogIndex, LogPosition, Term, TermRun } from './types.ts';

/** How many recent entries keep their size. Older ones are sent by catch-up, one message at a time. */
export const SIZED_ENTRIES = 65_536;

/** The log as last agreed with in memory: what is durable of it is known to the {@link WriteTracker}. */
export class LogSummary {
  /** Ascending in term and index; the first run begins after the base. A log has few: one for each leader that wrote to it. */
  #runs: TermRun[];
  #base: LogPosition;
  sizes: EntrySizes;
  #lastIndex: LogIndex;

  constructor(base: LogPosition, lastIndex: LogIndex, runs: readonly TermRun[], sizedEntries: number = SIZED_ENTRIES) {
    assert((base.index === 0) === (base.term === 0), 'only the position before the first entry has term 0');
    assert((lastIndex === base.index) === (runs.length === 0), 'a log has term runs exactly when it has entries');
    assert(runs.length === 0 || runs[0]?.firstIndex === base.index + 1, 'term runs begin at the first entry');
    assert((runs[0]?.term ?? base.term) >= base.term, 'terms never descend');
    for (const [position, run] of runs.entries()) {
      const previous = runs[position - 1];
      assert(run.term >= 1 && run.firstIndex <= lastIndex, 'a term run covers entries of the log');
      assert(!previous || (previous.term < run.term && previous.firstIndex < run.firstIndex), 'term runs ascend');
    }
    this.#base = { index: base.index, term: base.term };
    this.#runs = [...runs];
    this.#lastIndex = lastIndex;
    this.sizes = new EntrySizes(sizedEntries, lastIndex);
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /** The last entry that was dropped: committed, and part of a snapshot. (0, 0) while nothing was. */
  get base(): LogPosition {
    return this.#base;
  }

  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.#base.term;
  }

  /** Term of the entry at `index`, from the base on; 0 for the position before the first entry of all. */
  termAt(index: LogIndex): Term {
    assert(
      index >= this.#base.index && index <= this.#lastIndex,
      `no entry at ${index} of ${this.#base.index} to ${this.#lastIndex}`,
    );
    return index === this.#base.index ? this.#base.term : this.#runOf(index).term;
  }

  /**
   * Whether the entry at `index` exists and has this term (paper 5.3, the consistency check). (0, 0) always matches. What was dropped was
   * committed, so it matches whatever a rightful leader has there.
   */
  matches(index: LogIndex, term: Term): boolean {
    if (index < this.#base.index) return true;
    return index <= this.#lastIndex && this.termAt(index) === term;
  }

  /**
   * The largest index at or below `index` whose term is at most `term`. A log that has `term` at `index` cannot agree with this one
   * anywhere between there and `index`, because terms never descend: both sides skip whole terms with it (paper 5.3, end). An index below the
   * base when nothing from the base on qualifies: what comes next then is only in a snapshot.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    assert(index <= this.#lastIndex, `no entry at ${index}`);
    let last: LogIndex = index;
    while (last > this.#base.index) {
      const run = this.#runOf(last);
      if (run.term <= term) return last;
      last = (run.firstIndex - 1) as LogIndex;
    }
    return last === this.#base.index && this.#base.term > term ? ((last - 1) as LogIndex) : last;
  }

  get lastPosition(): LogPosition {
    return { index: this.#lastIndex, term: this.lastTerm };
  }

  append(term: Term, bytes: number): void {
    assert(term >= 1 && term >= this.lastTerm, `terms never descend along the log: ${term} after ${this.lastTerm}`);
    if (term !== this.#runs.at(-1)?.term) this.#runs.push({ term, firstIndex: (this.#lastIndex + 1) as LogIndex });
    this.#lastIndex = (this.#lastIndex + 1) as LogIndex;
    this.sizes.append(bytes);
  }

  /** Drops the entries from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#base.index && index <= this.#lastIndex, `nothing to truncate at ${index}`);
    while ((this.#runs.at(-1)?.firstIndex ?? 0) >= index) this.#runs.pop();
    this.#lastIndex = (index - 1) as LogIndex;
    this.sizes.truncateFrom(index);
    assert((this.#lastIndex === this.#base.index) === (this.#runs.length === 0), 'a log has term runs exactly when it has entries');
  }

  /** Drops the entries up to `index`. */
  trim(index: LogIndex): void {
    if (index <= this.#base.index) return;
    this.#base = { index, term: this.termAt(index) };
    const kept = this.#runs.findLastIndex((run) => run.firstIndex <= index + 1);
    this.#runs.splice(0, Math.max(0, kept));
    const first = this.#runs[0];
    if (index === this.#lastIndex) this.#runs = [];
    else if (first !== undefined) this.#runs[0] = { term: first.term, firstIndex: (index + 1) as LogIndex };
  }

  /** Drops everything and begins anew after `base`. */
  reset(base: LogPosition): void {
    this.#base = { index: base.index, term: base.term };
    this.#runs = [];
    this.#lastIndex = base.index;
    this.sizes = this.sizes.emptiedAt(base.index);
  }

  #runOf(index: LogIndex): TermRun {
    let low = 0;
    let high = this.#runs.length;
    const latest = this.#runs.at(-1);
    // Nearly every question is about the current term.
    if (latest && latest.firstIndex <= index) return latest;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const firstIndex = this.#runs[middle]?.firstIndex ?? 0;
      if (firstIndex <= index) low = middle;
      else high = middle;
    }
    const run = this.#runs[low];
    assert(run !== undefined && run.firstIndex <= index, `no term run covers ${index}`);
    return run;
  }
}
