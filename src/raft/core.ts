/**
 * The consensus core of one replica of one group: Raft (Ongaro & Ousterhout 2014, "the paper"; Ongaro's thesis of the same year) as a
 * pure state machine. Something happens, `step` says what must be done about it; no disk, network, clock or chance is touched here, so
 * the same inputs always give the same effects. docs/raft.md lists the duties of the caller.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type { RaftConfig } from './config.ts';
import { encodeConfiguration } from './configuration.ts';
import type { Effects, Status } from './effects.ts';
import {
  giveUpWhenLost,
  onCandidateWritten,
  onElectionTimeout,
  onPreVoteRequest,
  onPreVoteResponse,
  onVoteGranted,
  onVoteRefused,
  onVoteRequest,
} from './election.ts';
import { onAppendRequest, onHeartbeat, onSnapshotFetched, onSnapshotOffer, onTimeoutNow } from './follower.ts';
import type { Input } from './inputs.ts';
import {
  afterProgress,
  onFollowerConnected,
  onFollowerDisconnected,
  onLeaderTick,
  onLeaderWritten,
  propose,
  setFitness,
  transferLeadership,
} from './leadership.ts';
import { changeMembership } from './membership.ts';
import type { PeerMessage } from './messages.ts';
import { Outbox } from './outbox.ts';
import type { ProgressState } from './progress.ts';
import { abandonReads, addRead, onRead } from './reads.ts';
import { isActive, onAppendAccepted, onAppendRejected, onHeartbeatResponse } from './replication.ts';
import { RaftState } from './state.ts';
import type { LogBase, LogIndex, NodeId, RestoredLog, Term, WriteSequence } from './types.ts';

/** How far a follower is, as its leader sees it. */
export interface FollowerStatus {
  readonly id: NodeId;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly state: ProgressState;
  /** Heard from within the shorter election timeout, and not known to be dead. */
  readonly active: boolean;
  readonly inflightBytes: number;
  /** It says of itself that it would be a good leader. */
  readonly fit: boolean;
}

export class RaftCore {
  readonly #state: RaftState;
  #status: Status;

  constructor(config: RaftConfig, restored: RestoredLog, random: Random, nowMs: number) {
    this.#state = new RaftState(config, restored, random, nowMs);
    this.#status = this.#currentStatus();
  }

  /** Takes one input and returns everything it leads to. `nowMs` never goes back. */
  step(input: Input, nowMs: number): Effects {
    const state = this.#state;
    assert(nowMs >= state.nowMs, `time went back from ${state.nowMs} to ${nowMs}`);
    state.nowMs = nowMs;
    const committed = state.commitIndex;
    state.outbox = new Outbox();
    const led = state.leadership;
    this.#dispatch(input);
    if (led !== undefined && state.leadership !== led) abandonReads(state, led);
    assert(state.commitIndex >= committed, 'the commit index never falls');
    const write = state.writes.seal(state.hardState);
    return state.outbox.close(write, state.commitIndex > committed ? state.commitIndex : undefined, this.#statusChange());
  }

  /** When a `tick` is next due. */
  get nextDeadlineMs(): number {
    const { leadership, electionDeadlineMs } = this.#state;
    if (!leadership) return electionDeadlineMs;
    const { stepDownMs } = this.#state;
    const laterMs = leadership.nextHeartbeatMs;
    return Math.min(laterMs, leadership.transfer?.deadlineMs ?? laterMs, stepDownMs ?? laterMs);
  }

  get status(): Status {
    return this.#status;
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  /** The log, as it is now, is on this node's disk up to here. */
  get durableIndex(): LogIndex {
    return this.#state.writes.durableIndex;
  }

  /** The configuration in force is committed, and final. */
  get isSettled(): boolean {
    const { configurations, commitIndex } = this.#state;
    return configurations.currentIndex <= commitIndex && configurations.current.outgoing.length === 0;
  }

  /** What a snapshot of everything up to `index` begins a log with. `index` is in the log. */
  baseAt(index: LogIndex): LogBase {
    const { log, configurations } = this.#state;
    return { index, term: log.termAt(index), configuration: encodeConfiguration(configurations.at(index)) };
  }

  /** First entry of this node's leadership, if it leads: once that is applied, so is everything committed before it (thesis 6.4). */
  get openingIndex(): LogIndex | undefined {
    return this.#state.leadership?.openingIndex;
  }

  /** The leader's view of each follower; empty on others. */
  progress(): readonly FollowerStatus[] {
    const { leadership } = this.#state;
    if (!leadership) return [];
    return [...leadership.followers.values()].map((follower) => ({
      id: follower.id,
      matchIndex: follower.matchIndex,
      nextIndex: follower.nextIndex,
      state: follower.state,
      active: isActive(this.#state, follower),
      inflightBytes: follower.inflightBytes,
      fit: follower.fit,
    }));
  }

  #dispatch(input: Input): void {
    const state = this.#state;
    switch (input.type) {
      case 'tick':
        return this.#onTick();
      case 'message':
        // From anybody: whoever comes to a group, or has just left it, does not know all of its members (thesis 4.2.2).
        if (input.from !== state.id) this.#onMessage(input.from, input.message);
        return;
      case 'propose':
        state.outbox.proposed = propose(state, input.term, input.proposals);
        return;
      case 'written':
        return this.#onWritten(input.sequence, input.term);
      case 'peerDisconnected':
        return this.#onPeerDisconnected(input.peer);
      case 'peerConnected':
        state.deadPeers.delete(input.peer);
        if (state.leadership) onFollowerConnected(state, state.leadership, input.peer);
        return;
      case 'transferLeader':
        if (state.leadership) transferLeadership(state, state.leadership, input.to);
        return;
      case 'fitness':
        return setFitness(state, input.fitness);
      case 'changeMembership':
        state.outbox.membership = changeMembership(state, input.members, input.voters);
        return;
      case 'read':
        return onRead(state, input.read);
      case 'trimmed':
        return this.#onTrimmed(input.index);
      case 'snapshotFetched':
        return onSnapshotFetched(state, input.base);
      default:
        unreachable(input);
    }
  }

  #onTick(): void {
    const state = this.#state;
    if (state.leadership) onLeaderTick(state, state.leadership);
    else if (state.nowMs >= state.electionDeadlineMs) onElectionTimeout(state);
  }

  #onWritten(sequence: WriteSequence, term: Term): void {
    const state = this.#state;
    if (!state.writes.complete(sequence, term)) return;
    if (state.leadership) onLeaderWritten(state, state.leadership);
    else onCandidateWritten(state);
  }

  #onTrimmed(index: LogIndex): void {
    const state = this.#state;
    assert(index <= state.writes.durableIndex, 'only what is durable is dropped');
    state.commitTo(index);
    state.log.trim(index);
    state.configurations.trim(index);
  }

  #onPeerDisconnected(peer: NodeId): void {
    const state = this.#state;
    if (peer !== state.leader && !state.peers.includes(peer)) return;
    state.deadPeers.add(peer);
    if (state.leadership) onFollowerDisconnected(state.leadership, peer);
    else if (state.leader === peer) state.startCrashElection(peer);
    else giveUpWhenLost(state);
  }

  #onMessage(from: NodeId, message: PeerMessage): void {
    const state = this.#state;
    state.deadPeers.delete(from);
    switch (message.type) {
      case 'preVoteRequest':
        return onPreVoteRequest(state, from, message);
      case 'preVoteResponse':
        return onPreVoteResponse(state, from, message);
      case 'voteRequest':
        return onVoteRequest(state, from, message);
      case 'appendRequest':
        return onAppendRequest(state, from, message);
      case 'heartbeat':
        return onHeartbeat(state, from, message);
      case 'timeoutNow':
        return onTimeoutNow(state, from, message);
      case 'snapshotOffer':
        return onSnapshotOffer(state, from, message);
      case 'readRequest':
        if (state.leadership?.term === message.term) addRead(state, state.leadership, from, message.read);
        return;
      case 'readResponse':
        // True whenever it arrives: the log up to there held all that was acknowledged when the question was asked.
        state.outbox.answerRead(message.read, message.index);
        return;
      case 'voteGranted':
      case 'voteRefused':
      case 'appendAccepted':
      case 'appendRejected':
      case 'heartbeatResponse':
        // Paper 5.1: whoever sees a higher term follows. The questions above have their own rules for that.
        if (message.term > state.term) state.becomeFollower(message.term, undefined);
        return this.#onAnswer(from, message);
      default:
        unreachable(message);
    }
  }

  #onAnswer(
    from: NodeId,
    message: Extract<
      PeerMessage,
      { readonly type: 'voteGranted' | 'voteRefused' | 'appendAccepted' | 'appendRejected' | 'heartbeatResponse' }
    >,
  ): void {
    const state = this.#state;
    // An answer to a question of a former term says nothing about this one.
    if (message.term !== state.term) return;
    if (message.type === 'voteGranted') return onVoteGranted(state, from, message);
    if (message.type === 'voteRefused') return onVoteRefused(state, from, message);
    const { leadership } = state;
    if (!leadership) return;
    if (message.type === 'appendAccepted') onAppendAccepted(state, leadership, from, message);
    else if (message.type === 'appendRejected') onAppendRejected(state, leadership, from, message);
    else onHeartbeatResponse(state, leadership, from, message);
    afterProgress(state, leadership);
  }

  #statusChange(): Status | undefined {
    const before = this.#status;
    const after = this.#currentStatus();
    const sameOffice = before.role === after.role && before.term === after.term && before.leader === after.leader;
    if (sameOffice && before.configuration === after.configuration) return undefined;
    this.#status = after;
    return after;
  }

  #currentStatus(): Status {
    const { role, term, leader, configuration } = this.#state;
    return { role, term, leader, configuration };
  }
}
