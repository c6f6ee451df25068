/** What a leader does besides replicating: take office, accept proposals, stay in touch, give up, hand over. */
import { assert } from '../base/assert.ts';
import { isVoter } from './configuration.ts';
import type { ProposeResult } from './effects.ts';
import type { Proposal } from './inputs.ts';
import { SIZED_ENTRIES } from './log-summary.ts';
import { continueChange } from './membership.ts';
import { FollowerProgress } from './progress.ts';
import { configurationValue } from './quorum.ts';
import { answerReads, sendHeartbeats } from './reads.ts';
import { commitWhatQuorumHolds, isActive, replicateTo, replicateToAll } from './replication.ts';
import type { Fitness, Leadership, RaftState } from './state.ts';
import { type Entry, FIRST_APPLICATION_KIND, KIND_NOOP, type LogIndex, type NodeId, type Term } from './types.ts';

export function becomeLeader(state: RaftState): void {
  assert(state.role === 'candidate', 'only a candidate wins an election');
  assert(state.hardState.vote === state.id, 'a leader has voted for itself');
  const nextIndex = (state.log.lastIndex + 1) as LogIndex;
  const leadership: Leadership = {
    role: 'leader',
    term: state.term,
    followers: new Map(state.peers.map((peer) => [peer, new FollowerProgress(peer, nextIndex, state.nowMs)])),
    openingIndex: nextIndex,
    nextHeartbeatMs: nextHeartbeatMs(state),
    heartbeatRound: 0,
    reads: [],
    transfer: undefined,
  };
  state.current = leadership;
  state.leader = state.id;
  state.crashElection = undefined;
  // Entries of former terms are committed only through one of ours, so there must be one at once (thesis 6.4).
  state.appendEntries([{ term: leadership.term, index: nextIndex, kind: KIND_NOOP, payload: new Uint8Array(0) }]);
  replicateToAll(state, leadership);
}

export function propose(state: RaftState, term: Term, proposals: readonly Proposal[]): ProposeResult {
  assert(proposals.length > 0, 'something is proposed');
  const { leadership, log } = state;
  if (!leadership) return { accepted: false, reason: 'notLeader' };
  // Checked against the state of another leadership, it may be wrong in this one (B20).
  if (term !== leadership.term) return { accepted: false, reason: 'staleTerm' };
  if (leadership.transfer) return { accepted: false, reason: 'transferring' };
  if (isBusy(state, proposals)) return { accepted: false, reason: 'busy' };
  const firstIndex = (log.lastIndex + 1) as LogIndex;
  const entries: Entry[] = proposals.map(({ kind, payload }, position) => {
    assert(Number.isInteger(kind) && kind >= FIRST_APPLICATION_KIND && kind <= 255, `not an application's kind: ${kind}`);
    return { term: leadership.term, index: (firstIndex + position) as LogIndex, kind, payload };
  });
  state.appendEntries(entries);
  replicateToAll(state, leadership);
  return { accepted: true, firstIndex };
}

/** Everything uncommitted is held in memory by somebody: bounded in bytes and, for empty payloads, in entries. */
function isBusy(state: RaftState, proposals: readonly Proposal[]): boolean {
  const { log, commitIndex } = state;
  const uncommitted = log.lastIndex - commitIndex;
  // One proposal larger than the bound must get through some time.
  if (uncommitted === 0) return false;
  if (uncommitted >= SIZED_ENTRIES) return true;
  const firstKnown = Math.max(commitIndex + 1, log.sizes.firstIndex) as LogIndex;
  let bytes = log.sizes.bytes(firstKnown, log.lastIndex);
  for (const proposal of proposals) bytes += proposal.payload.length;
  return bytes > state.config.maxUncommittedBytes;
}

/** A leader that is not fit hands over at once to one that is; one that is unfit steps down in the end if nobody takes over. */
export function setFitness(state: RaftState, fitness: Fitness): void {
  if (fitness === state.fitness) return;
  state.fitness = fitness;
  state.waitedForOthers = false;
  state.stepDownMs = fitness === 'unfit' ? state.nowMs + state.config.electionTimeoutMinMs : undefined;
  if (fitness === 'fit') return;
  if (state.leadership) handOverToFitter(state, state.leadership);
  else if (fitness === 'unfit' && state.role !== 'follower') state.becomeFollower(state.term, undefined);
}

function handOverToFitter(state: RaftState, leadership: Leadership): void {
  const target = leadership.transfer ? undefined : mostUpToDate(state, leadership);
  if (target?.fit) transferLeadership(state, leadership, target.id);
}

/** What follows from something having been committed, or a round of heartbeats answered. */
export function afterProgress(state: RaftState, leadership: Leadership): void {
  if (continueChange(state, leadership) === 'retires') {
    const successor = mostUpToDate(state, leadership);
    if (successor !== undefined) state.outbox.send(successor.id, { type: 'timeoutNow', term: leadership.term });
    state.becomeFollower(state.term, undefined);
    return;
  }
  answerReads(state, leadership);
  continueTransfer(state, leadership);
}

export function onLeaderTick(state: RaftState, leadership: Leadership): void {
  const mustGo = state.stepDownMs !== undefined && state.nowMs >= state.stepDownMs && !state.isSoleVoter;
  if (mustGo) return state.becomeFollower(state.term, undefined);
  if (leadership.transfer && state.nowMs >= leadership.transfer.deadlineMs) leadership.transfer = undefined;
  if (state.nowMs < leadership.nextHeartbeatMs) return;
  if (!isInTouchWithQuorum(state, leadership)) {
    // CheckQuorum (thesis 6.2): clients must not wait on a leader that can commit nothing. The term stays.
    return state.becomeFollower(state.term, undefined);
  }
  leadership.nextHeartbeatMs = nextHeartbeatMs(state);
  sendHeartbeats(state, leadership);
  if (state.fitness !== 'fit') handOverToFitter(state, leadership);
}

/** At multiples of the interval: the heartbeats of all groups that a node leads are due together, and travel together. */
function nextHeartbeatMs({ nowMs, config: { heartbeatIntervalMs } }: RaftState): number {
  return (Math.floor(nowMs / heartbeatIntervalMs) + 1) * heartbeatIntervalMs;
}

/** Silence is measured against the longer timeout: whoever could win without us will have started by then. */
function isInTouchWithQuorum(state: RaftState, leadership: Leadership): boolean {
  const heardMs = (voter: NodeId): number =>
    voter === state.id ? state.nowMs : (leadership.followers.get(voter)?.lastHeardMs ?? Number.NEGATIVE_INFINITY);
  return state.nowMs - configurationValue(state.configuration, heardMs) < state.config.electionTimeoutMaxMs;
}

/** The leader's own disk is one of the quorum, no earlier and no later than the others (thesis 10.2.1). */
export function onLeaderWritten(state: RaftState, leadership: Leadership): void {
  commitWhatQuorumHolds(state, leadership);
  afterProgress(state, leadership);
}

export function onFollowerDisconnected(leadership: Leadership, peer: NodeId): void {
  leadership.followers.get(peer)?.forgetInflight();
  if (leadership.transfer?.to === peer) leadership.transfer = undefined;
}

export function onFollowerConnected(state: RaftState, leadership: Leadership, peer: NodeId): void {
  const follower = leadership.followers.get(peer);
  if (follower === undefined) return;
  follower.forgetMatch();
  replicateTo(state, follower);
}

/** Begins to hand leadership over (thesis 3.10): no new entries, so that the target can catch up with the last one. */
export function transferLeadership(state: RaftState, leadership: Leadership, to: NodeId | undefined): void {
  const target = to === undefined ? mostUpToDate(state, leadership) : leadership.followers.get(to);
  if (!target || leadership.transfer?.to === target.id || !isVoter(state.configuration, target.id)) return;
  leadership.transfer = { to: target.id, deadlineMs: state.nowMs + state.config.electionTimeoutMinMs, ordered: false };
  replicateTo(state, target);
  continueTransfer(state, leadership);
}

function mostUpToDate(state: RaftState, leadership: Leadership): FollowerProgress | undefined {
  let best: FollowerProgress | undefined;
  for (const follower of leadership.followers.values()) {
    if (!isActive(state, follower) || !isVoter(state.configuration, follower.id)) continue;
    if (!best || isBetter(follower, best)) best = follower;
  }
  return best;
}

function isBetter(one: FollowerProgress, other: FollowerProgress): boolean {
  return one.fit !== other.fit ? one.fit : one.matchIndex > other.matchIndex;
}

/** Orders the target to campaign as soon as it holds everything. */
export function continueTransfer(state: RaftState, leadership: Leadership): void {
  const { transfer } = leadership;
  if (!transfer || transfer.ordered) return;
  if (leadership.followers.get(transfer.to)?.matchIndex !== state.log.lastIndex) return;
  transfer.ordered = true;
  state.outbox.send(transfer.to, { type: 'timeoutNow', term: leadership.term });
}
