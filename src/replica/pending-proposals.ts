import { assert } from '../base/assert.ts';
import type { LogIndex, Term } from '../raft/types.ts';

/** How a proposal ended. `unknown`: leadership was lost first; the entry may be committed yet. */
export type Outcome<Result> =
  | { readonly type: 'applied'; readonly result: Result; readonly index: LogIndex }
  | { readonly type: 'unknown' };
export type OnOutcome<Result> = (outcome: Outcome<Result>) => void;

/** Proposals in the log that wait for their entry to be applied. In order of index, so a queue is enough. */
export class PendingProposals<Result> {
  #waiting: { readonly index: LogIndex; readonly term: Term; readonly onOutcome: OnOutcome<Result> }[] = [];
  #head = 0;

  get size(): number {
    return this.#waiting.length - this.#head;
  }

  add(index: LogIndex, term: Term, onOutcome: OnOutcome<Result>): void {
    const last = this.#waiting.at(-1);
    assert(this.size === 0 || last === undefined || index > last.index, 'proposals are numbered upwards');
    this.#waiting.push({ index, term, onOutcome });
  }

  /** The entry at `index` was applied. */
  applied(index: LogIndex, term: Term, result: Result): void {
    const first = this.#waiting[this.#head];
    if (first === undefined || first.index !== index) return;
    assert(first.term === term, 'a pending proposal is applied in the term it was proposed in');
    this.#head += 1;
    if (this.#head === this.#waiting.length || this.#head > 4_096) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    first.onOutcome({ type: 'applied', result, index });
  }

  /** Leadership is lost: no caller is left waiting for an answer that may never come. */
  abandon(): void {
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    for (const { onOutcome } of waiting) onOutcome({ type: 'unknown' });
  }
}
