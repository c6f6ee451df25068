import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import type { Committed } from '../cluster/committed.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** The sets of voters of which each must have a quorum at this moment: one, or two in a joint configuration. */
export type VoterSets = (committer: NodeHistory) => readonly (readonly NodeId[])[];

/**
 * What is committed is committed for ever (paper 5.4), and is durable on a quorum at the moment when somebody first calls it so. Looks at
 * the disks, not at what anybody believes about them.
 */
export class CommittedNeverChanges implements Invariant {
  readonly #committed: Committed;
  readonly #nodes: ReadonlyMap<NodeId, NodeHistory>;
  readonly #voterSets: VoterSets;

  constructor(committed: Committed, nodes: ReadonlyMap<NodeId, NodeHistory>, voterSets: VoterSets) {
    this.#committed = committed;
    this.#nodes = nodes;
    this.#voterSets = voterSets;
  }

  stepped(node: NodeHistory, input: Input, { commitIndex, write, status }: Effects): void {
    if (commitIndex === undefined) return;
    if (write?.reset !== undefined) {
      const known = this.#committed.at(write.reset.index);
      check(
        known?.term === write.reset.term,
        'Committed Never Changes',
        () => `${node.id} takes a snapshot of ${write.reset?.index} in term ${write.reset?.term}, committed was ${known?.term}`,
      );
      return;
    }
    const term = status?.term ?? node.term;
    for (let index = node.commitIndex + 1; index <= commitIndex; index += 1) {
      // The step that commits may have brought the entry too: then the log has not taken it yet.
      const fresh = write?.entries.find((entry) => entry.index === index);
      const own = fresh === undefined ? node.entry(index) : { ...fresh, crc: undefined };
      check(
        own !== undefined,
        'Committed Never Changes',
        () => `${node.id} commits entry ${index}, which it does not have (${input.type})`,
      );
      const known = this.#committed.at(index);
      if (known !== undefined) {
        check(
          known.term === own?.term,
          'Committed Never Changes',
          () => `entry ${index} was committed with term ${known.term}, now ${node.id} commits it with ${own?.term}`,
        );
        continue;
      }
      check(
        own !== undefined && own.crc !== undefined,
        'Committed On A Durable Quorum',
        () => `${node.id} commits entry ${index} in the step that brings it`,
      );
      if (own?.crc === undefined) continue;
      this.#checkQuorum(node, index, own.term);
      this.#committed.add({ ...own, crc: own.crc }, term);
    }
  }

  #checkQuorum(committer: NodeHistory, index: number, term: number): void {
    for (const voters of this.#voterSets(committer)) {
      const holders = voters.filter((id) => this.#nodes.get(id)?.holds(index, term));
      check(
        holders.length * 2 > voters.length,
        'Committed On A Durable Quorum',
        () =>
          `entry ${index} of term ${term} is committed but durable on ${holders.join(', ') || 'nobody'} alone, of ${voters.join(', ')}`,
      );
    }
  }
}
