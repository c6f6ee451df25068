import type { PeerMessage } from '../../../src/raft/messages.ts';
import type { NodeId, Term } from '../../../src/raft/types.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** A node never tells anybody of two votes in one term, over all its lives, nor of one that its disk does not hold (paper 5.2). */
export class OneVotePerTerm implements Invariant {
  readonly #votes = new Map<string, NodeId>();

  sent(node: NodeHistory, to: NodeId, message: PeerMessage): void {
    if (message.type === 'voteGranted') this.#vote(node, message.term, to);
    // A candidate's question says that it voted for itself.
    if (message.type === 'voteRequest') this.#vote(node, message.term, node.id);
  }

  #vote(node: NodeHistory, term: Term, candidate: NodeId): void {
    const key = `${node.id} ${term}`;
    const earlier = this.#votes.get(key);
    check(
      earlier === undefined || earlier === candidate,
      'One Vote Per Term',
      () => `${node.id} voted in term ${term} for ${earlier} and ${candidate}`,
    );
    this.#votes.set(key, candidate);
    const { hardState } = node.durable;
    const durable = hardState.term > term || (hardState.term === term && hardState.vote === candidate);
    check(durable, 'One Vote Per Term', () => `${node.id} tells of its vote for ${candidate} in term ${term} before it is durable`);
  }
}
