import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { Committed } from '../cluster/committed.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** No node ever replaces an entry that it knows to be committed, nor one that is committed without its knowing. */
export class NoTruncationBelowCommit implements Invariant {
  readonly #committed: Committed;

  constructor(committed: Committed) {
    this.#committed = committed;
  }

  stepped(node: NodeHistory, _input: Input, { write }: Effects): void {
    const truncateFrom = write?.truncateFrom;
    if (truncateFrom === undefined) return;
    check(
      truncateFrom > node.commitIndex,
      'No Truncation Below Commit',
      () => `${node.id} truncates from ${truncateFrom}, had committed up to ${node.commitIndex}`,
    );
    for (let index = truncateFrom as number; index <= this.#committed.lastIndex; index += 1) {
      const own = node.entry(index);
      const committed = this.#committed.at(index);
      if (own === undefined) break;
      check(
        own.term !== committed?.term,
        'No Truncation Below Commit',
        () => `${node.id} truncates entry ${index} of term ${own.term}, which is committed`,
      );
    }
  }
}
