/**
 * What a core wants done. The two lists of messages are the heart of it: a message that attests durability has a type that only
 * `sendAfterWrite` accepts, so "acknowledged before durable" does not compile.
 */
import type { AttestingMessage, FreeMessage } from './messages.ts';
import type { LogIndex, NodeId, Term, WriteSequence, WriteUnit } from './types.ts';

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** An order to read entries from the log and send them as an AppendRequest on the bulk lane, in the order given. */
export interface Replicate {
  readonly to: NodeId;
  readonly term: Term;
  readonly request: number;
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  /** Last entry to send; `previousIndex` for none. */
  readonly lastIndex: LogIndex;
  /**
   * True: all of them (the core counted their bytes). False: as many as fit into one message, at least one; the follower's
   * answer says how far it came.
   */
  readonly exact: boolean;
  readonly commitIndex: LogIndex;
}

export interface Status {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
}

export type ProposeResult =
  | { readonly accepted: true; readonly firstIndex: LogIndex }
  /** Nothing was appended. `transferring`: leadership is being handed over; `busy`: too much is uncommitted. Safe to retry. */
  | { readonly accepted: false; readonly reason: 'notLeader' | 'staleTerm' | 'transferring' | 'busy' };

export interface Effects {
  /** At most one unit a step, to be made durable in order. */
  readonly write: WriteUnit | undefined;
  /** May leave now. */
  readonly send: readonly { readonly to: NodeId; readonly message: FreeMessage }[];
  /** Must leave only when the write unit `after` is durable, which it may be already. */
  readonly sendAfterWrite: readonly {
    readonly after: WriteSequence;
    readonly to: NodeId;
    readonly message: AttestingMessage;
  }[];
  /** May leave now, even before the leader's own disk has the entries (thesis 10.2.1). */
  readonly replicate: readonly Replicate[];
  /** Set when the commit index grew: entries up to here may be applied. */
  readonly commitIndex: LogIndex | undefined;
  /** Set when role, term or leader changed. */
  readonly status: Status | undefined;
  /** Set after a `propose` input. */
  readonly proposed: ProposeResult | undefined;
}
