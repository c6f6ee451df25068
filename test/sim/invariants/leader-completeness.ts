import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { Committed } from '../cluster/committed.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant, takesOffice } from './invariant.ts';

/** Leader Completeness (paper 5.4): who is elected has every entry that was committed in a former term. */
export class LeaderCompleteness implements Invariant {
  readonly #committed: Committed;

  constructor(committed: Committed) {
    this.#committed = committed;
  }

  stepped(node: NodeHistory, _input: Input, { status }: Effects): void {
    if (status === undefined || !takesOffice(node, status)) return;
    for (let index = this.#committed.lastIndex as number; index > 0; index -= 1) {
      const entry = this.#committed.at(index);
      // A leader of an older term, elected by votes that were long on their way, can commit nothing any more.
      if (entry === undefined || entry.committedIn >= status.term) continue;
      const own = node.entry(index);
      check(
        own?.term === entry.term && own.crc === entry.crc,
        'Leader Completeness',
        () =>
          `${node.id} leads term ${status.term} without entry ${index} of term ${entry.term}, committed in ${entry.committedIn}`,
      );
    }
  }
}
