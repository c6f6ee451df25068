/** What replicas of one group say to each other. The group and the sender are named by the envelope. */
import type { Entry, LogIndex, NodeId, Term } from './types.ts';

/** Asks whether an election could be won, without raising anybody's term (thesis 9.6). `term` is the one it would use. */
export interface PreVoteRequest {
  readonly type: 'preVoteRequest';
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader that the candidate saw die (connection refused), if that is why it asks. Frees voters who saw the same from stickiness. */
  readonly deadLeader: NodeId | undefined;
}

export interface PreVoteResponse {
  readonly type: 'preVoteResponse';
  /** Granted: the term asked for. Refused: the voter's own term. */
  readonly term: Term;
  readonly granted: boolean;
}

/** Attests that the candidate has durably voted for itself in `term`. */
export interface VoteRequest {
  readonly type: 'voteRequest';
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Set when the leader itself asked for this election (leadership transfer, thesis 3.10): overrides stickiness. */
  readonly transfer: boolean;
}

/** Attests a durable vote. */
export interface VoteGranted {
  readonly type: 'voteGranted';
  readonly term: Term;
}

export interface VoteRefused {
  readonly type: 'voteRefused';
  readonly term: Term;
}

/** Entries from the leader; empty to probe. */
export interface AppendRequest {
  readonly type: 'appendRequest';
  readonly term: Term;
  /** Number of this request in this leader's term for this follower; the answer repeats it, so that a late one is told from a current one. */
  readonly request: number;
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  readonly commitIndex: LogIndex;
  readonly entries: readonly Entry[];
}

/** Attests that the follower holds, durably, the leader's log up to `matchIndex`. */
export interface AppendAccepted {
  readonly type: 'appendAccepted';
  readonly term: Term;
  readonly request: number;
  readonly matchIndex: LogIndex;
}

/** The follower's log does not hold (previousIndex, previousTerm). The hint lets the leader skip a term at a time (paper 5.3). */
export interface AppendRejected {
  readonly type: 'appendRejected';
  readonly term: Term;
  readonly request: number;
  /** The previousIndex that was refused. */
  readonly previousIndex: LogIndex;
  /** Largest index at or below previousIndex that may still match, and the follower's term there (0 for none). */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** Sign of life; travels apart from bulk data. `round` lets an answer be matched to its question. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly term: Term;
  readonly round: number;
  /** min(leader's commit, what it knows this follower to hold). */
  readonly commitIndex: LogIndex;
}

export interface HeartbeatResponse {
  readonly type: 'heartbeatResponse';
  readonly term: Term;
  readonly round: number;
  /** Whether the sender would be a good leader: its disk works and has room. */
  readonly fit: boolean;
}

/** What the follower lacks is no longer in the leader's log. All up to `index` is in a snapshot, to be fetched from the sender. */
export interface SnapshotOffer {
  readonly type: 'snapshotOffer';
  readonly term: Term;
  /** As in {@link AppendRequest}; the answer is an {@link AppendAccepted}, once the snapshot is durable and in place. */
  readonly request: number;
  readonly index: LogIndex;
  readonly indexTerm: Term;
}

/** Asks the leader up to where a read must see the log (thesis 6.4, ReadIndex). `read` is the sender's, never used twice. */
export interface ReadRequest {
  readonly type: 'readRequest';
  readonly term: Term;
  readonly read: number;
}

/** All that was acknowledged before the question was asked is in the log up to `index`. */
export interface ReadResponse {
  readonly type: 'readResponse';
  readonly term: Term;
  readonly read: number;
  readonly index: LogIndex;
}

/** Leadership transfer: campaign now, without waiting and without a PreVote (thesis 3.10). */
export interface TimeoutNow {
  readonly type: 'timeoutNow';
  readonly term: Term;
}

/** Says that the sender's disk holds something. May leave only once the write unit that makes it true is durable. */
export type AttestingMessage = VoteRequest | VoteGranted | AppendAccepted;

/** Says nothing about any disk. May leave at once. */
export type FreeMessage =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRefused
  | AppendRejected
  | Heartbeat
  | HeartbeatResponse
  | TimeoutNow
  | SnapshotOffer
  | ReadRequest
  | ReadResponse;

/** Everything that can arrive. */
export type PeerMessage = AttestingMessage | FreeMessage | AppendRequest;
