/** What the core knows of the log: which term every entry has, and how big the recent ones are. It holds no payload. */
import { assert } from '../base/assert.ts';
import { EntrySizes } from './entry-sizes.ts';
import type { LogIndex, LogPosition, Term, TermRun } from './types.ts';

/** How many recent entries keep their size. Older ones are sent by catch-up, one message at a time. */
export const SIZED_ENTRIES = 65_536;

const NO_TERM = 0 as Term;

/** The log as last agreed with in memory: what is durable of it is known to the {@link WriteTracker}. */
export class LogSummary {
  /** Ascending in term and index; the first run begins at 1. A log has few: one for each leader that wrote to it. */
  readonly #runs: TermRun[];
  readonly sizes: EntrySizes;
  #lastIndex: LogIndex;

  constructor(lastIndex: LogIndex, runs: readonly TermRun[], sizedEntries: number = SIZED_ENTRIES) {
    assert((lastIndex === 0) === (runs.length === 0), 'a log has term runs exactly when it has entries');
    assert(runs.length === 0 || runs[0]?.firstIndex === 1, 'term runs begin at the first entry');
    for (const [position, run] of runs.entries()) {
      const previous = runs[position - 1];
      assert(run.term >= 1 && run.firstIndex <= lastIndex, 'a term run covers entries of the log');
      assert(!previous || (previous.term < run.term && previous.firstIndex < run.firstIndex), 'term runs ascend');
    }
    this.#runs = [...runs];
    this.#lastIndex = lastIndex;
    this.sizes = new EntrySizes(sizedEntries, lastIndex);
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? NO_TERM;
  }

  /** Term of the entry at `index`, 0 for the position before the first entry. */
  termAt(index: LogIndex): Term {
    assert(index >= 0 && index <= this.#lastIndex, `no entry at ${index}: the log ends at ${this.#lastIndex}`);
    return index === 0 ? NO_TERM : this.#runOf(index).term;
  }

  /** Whether the entry at `index` exists and has this term (paper 5.3, the consistency check). (0, 0) always matches. */
  matches(index: LogIndex, term: Term): boolean {
    return index <= this.#lastIndex && this.termAt(index) === term;
  }

  /**
   * The largest index at or below `index` whose term is at most `term`. A log that has `term` at `index` cannot agree with this one
   * anywhere between there and `index`, because terms never descend: both sides skip whole terms with it (paper 5.3, end).
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    assert(index <= this.#lastIndex, `no entry at ${index}`);
    let last: LogIndex = index;
    while (last > 0) {
      const run = this.#runOf(last);
      if (run.term <= term) break;
      last = (run.firstIndex - 1) as LogIndex;
    }
    return last;
  }

  get lastPosition(): LogPosition {
    return { index: this.#lastIndex, term: this.lastTerm };
  }

  append(term: Term, bytes: number): void {
    assert(term >= 1 && term >= this.lastTerm, `terms never descend along the log: ${term} after ${this.lastTerm}`);
    if (term !== this.lastTerm) this.#runs.push({ term, firstIndex: (this.#lastIndex + 1) as LogIndex });
    this.#lastIndex = (this.#lastIndex + 1) as LogIndex;
    this.sizes.append(bytes);
  }

  /** Drops the entries from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(index >= 1 && index <= this.#lastIndex, `nothing to truncate at ${index}`);
    while ((this.#runs.at(-1)?.firstIndex ?? 0) >= index) this.#runs.pop();
    this.#lastIndex = (index - 1) as LogIndex;
    this.sizes.truncateFrom(index);
    assert((this.#lastIndex === 0) === (this.#runs.length === 0), 'a log has term runs exactly when it has entries');
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
