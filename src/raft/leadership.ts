/** What a leader does besides replicating: take office, accept proposals, stay in touch, give up, hand over. */
import { assert } from '../base/assert.ts';
import type { ProposeResult } from './effects.ts';
import type { Proposal } from './inputs.ts';
import { SIZED_ENTRIES } from './log-summary.ts';
import { FollowerProgress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { commitWhatQuorumHolds, replicateTo, replicateToAll } from './replication.ts';
import type { Leadership, RaftState } from './state.ts';
import { type Entry, FIRST_APPLICATION_KIND, KIND_NOOP, type LogIndex, type NodeId, type Term } from './types.ts';

export function becomeLeader(state: RaftState): void {
  assert(state.role === 'candidate', 'only a candidate wins an election');
  assert(state.hardState.vote === state.id, 'a leader has voted for itself');
  const nextIndex = (state.log.lastIndex + 1) as LogIndex;
  const leadership: Leadership = {
    role: 'leader',
    term: state.term,
    followers: new Map(state.peers.map((peer) => [peer, new FollowerProgress(peer, nextIndex, state.nowMs)])),
    nextHeartbeatMs: state.nowMs + state.config.heartbeatIntervalMs,
    heartbeatRound: 0,
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

/** This node must not lead (any more): hands over at once, and steps down in the end if nobody takes over. */
export function setMayLead(state: RaftState, mayLead: boolean): void {
  if (mayLead) {
    state.barred = undefined;
    return;
  }
  if (state.barred !== undefined) return;
  state.barred = { stepDownMs: state.nowMs + state.config.electionTimeoutMinMs };
  if (state.leadership) transferLeadership(state, state.leadership, undefined);
  else if (state.role !== 'follower') state.becomeFollower(state.term, undefined);
}

export function onLeaderTick(state: RaftState, leadership: Leadership): void {
  if (state.barred !== undefined && state.nowMs >= state.barred.stepDownMs && state.peers.length > 0) {
    state.becomeFollower(state.term, undefined);
    return;
  }
  if (leadership.transfer && state.nowMs >= leadership.transfer.deadlineMs) leadership.transfer = undefined;
  if (state.nowMs < leadership.nextHeartbeatMs) return;
  if (!isInTouchWithQuorum(state, leadership)) {
    // CheckQuorum (thesis 6.2): clients must not wait on a leader that can commit nothing. The term stays.
    state.becomeFollower(state.term, undefined);
    return;
  }
  leadership.nextHeartbeatMs = state.nowMs + state.config.heartbeatIntervalMs;
  leadership.heartbeatRound += 1;
  for (const follower of leadership.followers.values()) {
    state.outbox.send(follower.id, {
      type: 'heartbeat',
      term: leadership.term,
      round: leadership.heartbeatRound,
      // Beyond what the follower is known to hold, its log may still be another's.
      commitIndex: Math.min(state.commitIndex, follower.matchIndex) as LogIndex,
    });
  }
}

/** Silence is measured against the longer timeout: whoever could win without us will have started by then. */
function isInTouchWithQuorum(state: RaftState, leadership: Leadership): boolean {
  const heardMs = [state.nowMs];
  for (const follower of leadership.followers.values()) heardMs.push(follower.lastHeardMs);
  return state.nowMs - quorumValue(heardMs) < state.config.electionTimeoutMaxMs;
}

/** The leader's own disk is one of the quorum, no earlier and no later than the others (thesis 10.2.1). */
export function onLeaderWritten(state: RaftState, leadership: Leadership): void {
  commitWhatQuorumHolds(state, leadership);
}

export function onFollowerDisconnected(leadership: Leadership, peer: NodeId): void {
  leadership.followers.get(peer)?.forgetInflight();
  if (leadership.transfer?.to === peer) leadership.transfer = undefined;
}

export function onFollowerConnected(state: RaftState, leadership: Leadership, peer: NodeId): void {
  const follower = leadership.followers.get(peer);
  assert(follower !== undefined, 'every peer is a follower of the leader');
  follower.forgetMatch();
  replicateTo(state, follower);
}

export function isActive(state: RaftState, follower: FollowerProgress): boolean {
  return !state.deadPeers.has(follower.id) && state.nowMs - follower.lastHeardMs < state.config.electionTimeoutMinMs;
}

/** Begins to hand leadership over (thesis 3.10): no new entries, so that the target can catch up with the last one. */
export function transferLeadership(state: RaftState, leadership: Leadership, to: NodeId | undefined): void {
  const target = to === undefined ? mostUpToDate(state, leadership) : leadership.followers.get(to);
  if (!target || leadership.transfer?.to === target.id) return;
  leadership.transfer = { to: target.id, deadlineMs: state.nowMs + state.config.electionTimeoutMinMs, ordered: false };
  replicateTo(state, target);
  continueTransfer(state, leadership);
}

function mostUpToDate(state: RaftState, leadership: Leadership): FollowerProgress | undefined {
  let best: FollowerProgress | undefined;
  for (const follower of leadership.followers.values()) {
    if (!isActive(state, follower)) continue;
    if (!best || follower.matchIndex > best.matchIndex) best = follower;
  }
  return best;
}

/** Orders the target to campaign as soon as it holds everything. */
export function continueTransfer(state: RaftState, leadership: Leadership): void {
  const { transfer } = leadership;
  if (!transfer || transfer.ordered) return;
  if (leadership.followers.get(transfer.to)?.matchIndex !== state.log.lastIndex) return;
  transfer.ordered = true;
  state.outbox.send(transfer.to, { type: 'timeoutNow', term: leadership.term });
}
