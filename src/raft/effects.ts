/**
 * What a core wants done. The two lists of messages are the heart of it: a message that attests durability has a type that only
 * `sendAfterWrite` accepts, so "acknowledged before durable" does not compile.
 */
import type { Configuration } from './configuration.ts';
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
  /** In force from now on: who is to be reached. */
  readonly configuration: Configuration;
}

/** Up to where a read must see the log, so that it misses nothing that was acknowledged before it was asked for; undefined: ask again. */
export interface ReadAnswer {
  readonly read: number;
  readonly index: LogIndex | undefined;
}

export type MembershipResult =
  /** The change is in the log at `index`, and in force. It is done when an entry from there on is committed and the group is not joint. */
  | { readonly accepted: true; readonly index: LogIndex }
  /**
   * Nothing was appended. `changing`: another change is under way, or this leadership has committed nothing yet: try again soon.
   * `notCaughtUp`: a voter-to-be lacks too much of the log to count: wait. `unsound`: `problem` says why it can never be.
   */
  | {
      readonly accepted: false;
      readonly reason: 'notLeader' | 'transferring' | 'changing' | 'notCaughtUp' | 'unsound';
      readonly problem: string;
    };

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
  /** Set when role, term, leader or configuration changed. */
  readonly status: Status | undefined;
  /** Set after a `propose` input. */
  readonly proposed: ProposeResult | undefined;
  /** Set after a `changeMembership` input. */
  readonly membership: MembershipResult | undefined;
  /** Reads that are answered. */
  readonly reads: readonly ReadAnswer[];
  /** Set when a snapshot is to be fetched from that node, unless it is being fetched already; answered with `snapshotFetched`. */
  readonly fetchSnapshot: SnapshotSource | undefined;
}

export interface SnapshotSource {
  readonly from: NodeId;
  readonly index: LogIndex;
  readonly term: Term;
}
