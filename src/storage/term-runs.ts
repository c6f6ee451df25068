import { assert } from '../base/assert.ts';
import type { LogIndex, Term, TermRun } from '../raft/types.ts';

/** Terms of all entries, as runs: a handful of numbers however long the log is. */
export class TermRuns {
  readonly #runs: TermRun[] = [];
  #lastIndex = 0;

  get lastIndex(): number {
    return this.#lastIndex;
  }

  get runs(): readonly TermRun[] {
    return [...this.#runs];
  }

  truncate(firstIndex: number): void {
    assert(firstIndex >= 1 && firstIndex <= this.#lastIndex + 1, 'only what exists is truncated');
    this.#lastIndex = firstIndex - 1;
    while (this.#runs.length > 0 && (this.#runs.at(-1) as TermRun).firstIndex > this.#lastIndex) this.#runs.pop();
  }

  append(term: Term): void {
    const last = this.#runs.at(-1);
    assert(last === undefined || term >= last.term, 'terms in a log never decrease');
    this.#lastIndex += 1;
    if (last?.term !== term) this.#runs.push({ term, firstIndex: this.#lastIndex as LogIndex });
  }

  /** Term of an entry that exists. */
  termAt(index: number): Term {
    assert(index >= 1 && index <= this.#lastIndex, `no entry ${index}`);
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
