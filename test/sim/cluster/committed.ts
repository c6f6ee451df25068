/** What the cluster as a whole has ever committed. Grows only. */
import type { LogIndex, Term } from '../../../src/raft/types.ts';
import type { EntryPrint } from './node-history.ts';

export interface CommittedEntry extends EntryPrint {
  /** Term of the leader that committed it, or of the node that first said so. */
  readonly committedIn: Term;
}

export class Committed {
  readonly #entries: (CommittedEntry | undefined)[] = [undefined];

  get lastIndex(): LogIndex {
    return (this.#entries.length - 1) as LogIndex;
  }

  at(index: number): CommittedEntry | undefined {
    return this.#entries[index];
  }

  add(entry: EntryPrint, committedIn: Term): void {
    this.#entries[entry.index] = { ...entry, committedIn };
  }
}
