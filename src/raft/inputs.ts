/** All that can happen to a core. */
import type { PeerMessage } from './messages.ts';
import type { NodeId, Term, WriteSequence } from './types.ts';

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
  /**
   * Whether this node may lead. One whose disk stalls or has lost something it holds must not: it stands for no election, and as leader hands
   * over, or steps down when nobody has taken over within the shorter election timeout. Votes and acknowledgements go on. Starts true.
   */
  | { readonly type: 'mayLead'; readonly mayLead: boolean };
