/** All that can happen to a core. */
import type { Member } from './configuration.ts';
import type { PeerMessage } from './messages.ts';
import type { Fitness } from './state.ts';
import type { LogBase, LogIndex, NodeId, Term, WriteSequence } from './types.ts';

export interface Proposal {
  /** From FIRST_APPLICATION_KIND to 255. */
  readonly kind: number;
  readonly payload: Uint8Array;
}

export type Input =
  /** Time has passed. Due when `core.nextDeadlineMs` is reached; harmless at any other moment. */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly from: NodeId; readonly message: PeerMessage }
  /**
   * New entries, all or none. `term` is the term of leadership in which the caller had them checked: from an older leadership they
   * are refused, never appended to the new one. The answer is in `effects.proposed`.
   */
  | { readonly type: 'propose'; readonly term: Term; readonly proposals: readonly Proposal[] }
  /** The write unit, and all before it, are durable. `term` is the hard state term it carried (etcd's ABA race: an older one is ignored). */
  | { readonly type: 'written'; readonly sequence: WriteSequence; readonly term: Term }
  /** The peer's process is gone: its connection was reset and a new one refused. Silence alone is not this. */
  | { readonly type: 'peerDisconnected'; readonly peer: NodeId }
  /** The peer answers again: what was in flight to it may be lost, so probe anew. */
  | { readonly type: 'peerConnected'; readonly peer: NodeId }
  /** Hand leadership to `to`, or to the most up-to-date voter. Ignored unless leading. */
  | { readonly type: 'transferLeader'; readonly to: NodeId | undefined }
  /** How well this node would lead; `fit` at the start. Votes and acknowledgements go on whatever it is. */
  | { readonly type: 'fitness'; readonly fitness: Fitness }
  /**
   * New members and voters, as they shall be in the end; learners are the members that do not vote. A leader changes to them as safely as it takes:
   * over a joint configuration when voters change (thesis 4.3). The answer is in `effects.membership`.
   */
  | { readonly type: 'changeMembership'; readonly members: readonly Member[]; readonly voters: readonly NodeId[] }
  /**
   * A linearizable read is wanted; answered in `effects.reads`, unless a message gets lost: then never, so the caller asks again after a while,
   * under another number. Numbers are never used twice, not even by a later process on the same node (B41).
   */
  | { readonly type: 'read'; readonly read: number }
  /** The log is about to drop everything up to `index`: committed, applied, and in a durable snapshot. */
  | { readonly type: 'trimmed'; readonly index: LogIndex }
  /** A snapshot was fetched from a leader, verified, and is durable. */
  | { readonly type: 'snapshotFetched'; readonly base: LogBase };
