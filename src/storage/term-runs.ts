import { assert } from '../base/assert.ts';
import type { LogIndex, LogPosition, Term, TermRun } from '../raft/types.ts';

/** Terms of all entries after the base, as runs: a handful of numbers however long the log is. */
export class TermRuns {
  #runs: TermRun[] = [];
  #base: LogPosition;
  #lastIndex: number;

  constructor(base: LogPosition) {
    this.#base = base;
    this.#lastIndex = base.index;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Position of the last entry; the base's for a log without entries. */
  get last(): LogPosition {
    return { index: this.#lastIndex as LogIndex, term: this.#runs.at(-1)?.term ?? this.#base.term };
  }

  get runs(): readonly TermRun[] {
    return [...this.#runs];
  }

  /** Without entries, after another base. */
  reset(base: LogPosition): void {
    this.#runs = [];
    this.#base = base;
    this.#lastIndex = base.index;
  }

  /** Forgets the entries up to `base`. */
  trim(base: LogPosition): void {
    assert(base.index >= this.#base.index && base.index <= this.#lastIndex, 'only what exists is dropped');
    const firstIndex = (base.index + 1) as LogIndex;
    const first = this.#runs.findLastIndex((run) => run.firstIndex <= firstIndex);
    const kept = this.#lastIndex < firstIndex ? [] : this.#runs.slice(first);
    assert((kept[0]?.term ?? base.term) >= base.term, 'terms in a log never decrease');
    this.#runs = kept.map((run, at) => (at === 0 ? { term: run.term, firstIndex } : run));
    this.#base = base;
  }

  truncate(firstIndex: number): void {
    assert(firstIndex > this.#base.index && firstIndex <= this.#lastIndex + 1, 'only what exists is truncated');
    this.#lastIndex = firstIndex - 1;
    while (this.#runs.length > 0 && (this.#runs.at(-1) as TermRun).firstIndex > this.#lastIndex) this.#runs.pop();
  }

  append(term: Term): void {
    const last = this.#runs.at(-1);
    assert(term >= this.last.term, 'terms in a log never decrease');
    this.#lastIndex += 1;
    if (last?.term !== term) this.#runs.push({ term, firstIndex: this.#lastIndex as LogIndex });
  }

  /** Term of an entry that exists, or of the base. */
  termAt(index: number): Term {
    if (index === this.#base.index) return this.#base.term;
    assert(index > this.#base.index && index <= this.#lastIndex, `no entry ${index}`);
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#runs[middle] as TermRun).firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    return (this.#runs[low] as TermRun).term;
  }
}
