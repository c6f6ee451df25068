/** How a leader is found: PreVote, votes, stickiness, and the short cut after a crash that was seen. */
import { assert } from '../base/assert.ts';
import { becomeLeader } from './leadership.ts';
import type { PreVoteRequest, PreVoteResponse, VoteGranted, VoteRefused, VoteRequest } from './messages.ts';
import { isQuorum } from './quorum.ts';
import type { RaftState } from './state.ts';
import type { NodeId, Term } from './types.ts';

/** Least pause between tries at crash speed. */
const CRASH_RETRY_MIN_MS = 10;

/** The election timer ran out: ask whether an election could be won before raising anybody's term (thesis 9.6). */
export function onElectionTimeout(state: RaftState): void {
  assert(state.role !== 'leader', 'a leader has no election timer');
  if (!state.mayStand) {
    waitForOthers(state);
    return;
  }
  if (state.isSoleVoter) {
    campaign(state, false);
    return;
  }
  if (state.fitness === 'reluctant' && !state.waitedForOthers) {
    waitForOthers(state);
    state.waitedForOthers = true;
    return;
  }
  state.waitedForOthers = false;
  const deadLeader = state.crashElection?.deadLeader;
  state.current = { role: 'preCandidate', granted: new Set([state.id]) };
  state.leader = undefined;
  restartTimerForRetry(state);
  for (const peer of state.peers) {
    state.outbox.send(peer, {
      type: 'preVoteRequest',
      term: (state.term + 1) as Term,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
      deadLeader,
    });
  }
}

/** Others must find a leader: this node would be a bad one. */
function waitForOthers(state: RaftState): void {
  state.becomeFollower(state.term, undefined);
  state.crashElection = undefined;
  state.restartElectionTimer();
}

/**
 * Voters learn of a crash at slightly different moments, and one that has not yet is still loyal to the dead leader: so ask again soon,
 * a bounded number of times.
 */
function restartTimerForRetry(state: RaftState): void {
  const { crashElection, config } = state;
  if (crashElection && crashElection.triesLeft > 0) {
    crashElection.triesLeft -= 1;
    const pauseMs = Math.max(CRASH_RETRY_MIN_MS, config.crashElectionSpreadMs);
    state.electionDeadlineMs = state.nowMs + pauseMs + state.random.between(0, pauseMs);
    return;
  }
  state.crashElection = undefined;
  state.restartElectionTimer();
}

/** Stands for election in the next term. */
export function campaign(state: RaftState, transfer: boolean): void {
  assert(state.role !== 'leader', 'a leader needs no election');
  state.leader = undefined;
  state.setHardState((state.term + 1) as Term, state.id);
  state.restartElectionTimer();
  const voteSequence = state.writes.hardStateSequence;
  assert(!state.writes.isDurable(voteSequence), 'our own vote has yet to be written');
  state.current = { role: 'candidate', granted: new Set(), refused: new Set(), voteSequence };
  for (const peer of state.peers) {
    state.outbox.sendAfterWrite(voteSequence, peer, {
      type: 'voteRequest',
      term: state.term,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
      transfer,
    });
  }
}

/** Our own vote counts like any other: once it is durable (B02). */
export function onCandidateWritten(state: RaftState): void {
  if (state.current.role !== 'candidate' || !state.writes.isDurable(state.current.voteSequence)) return;
  countVote(state, state.id);
}

/**
 * Whether a leader is alive as far as this node knows. Then nobody gets its vote, or a node that was cut off could depose a leader that
 * serves everybody else (thesis 4.2.3, 6.4.1). It ends with silence, or with the knowledge that the leader's process is gone.
 */
export function hasLiveLeader(state: RaftState): boolean {
  if (state.role === 'leader') return true;
  if (state.leader === undefined) return false;
  return state.nowMs - state.leaderHeardMs < state.config.electionTimeoutMinMs;
}

/** Changes nothing here, whatever the answer: no term, no timer, no vote. */
export function onPreVoteRequest(state: RaftState, from: NodeId, message: PreVoteRequest): void {
  const free = message.term > state.term && state.isMember && !hasLiveLeader(state);
  const granted = free && state.isUpToDate(message.lastIndex, message.lastTerm);
  const term = granted ? message.term : state.term;
  state.outbox.send(from, { type: 'preVoteResponse', term, granted });
}

export function onPreVoteResponse(state: RaftState, from: NodeId, message: PreVoteResponse): void {
  if (!message.granted) {
    // With a term below the voters' no PreVote would ever succeed.
    if (message.term > state.term) state.becomeFollower(message.term, undefined);
    return;
  }
  if (state.current.role !== 'preCandidate' || message.term !== state.term + 1) return;
  state.current.granted.add(from);
  const { granted } = state.current;
  if (isQuorum(state.configuration, (voter) => granted.has(voter))) campaign(state, false);
}

export function onVoteRequest(state: RaftState, from: NodeId, message: VoteRequest): void {
  const loyal = !message.transfer && hasLiveLeader(state);
  if (message.term < state.term || loyal) {
    // Loyal: not even the term is taken over, or a stray candidate would depose the leader through us.
    state.outbox.send(from, { type: 'voteRefused', term: state.term });
    return;
  }
  if (message.term > state.term) state.becomeFollower(message.term, undefined);
  const free = state.hardState.vote === undefined && state.leader === undefined && state.isMember;
  const mayVote = state.hardState.vote === from || free;
  if (!mayVote || !state.isUpToDate(message.lastIndex, message.lastTerm)) {
    // The timer runs on: a candidate that cannot win must not keep one that can from standing (B18).
    state.outbox.send(from, { type: 'voteRefused', term: state.term });
    return;
  }
  if (free) {
    state.setHardState(state.term, from);
    state.becomeFollower(state.term, undefined);
    state.restartElectionTimer();
    state.crashElection = undefined;
  }
  assert(state.hardState.vote === from, 'what is granted was voted');
  state.outbox.sendAfterWrite(state.writes.hardStateSequence, from, { type: 'voteGranted', term: state.term });
}

export function onVoteGranted(state: RaftState, from: NodeId, message: VoteGranted): void {
  if (state.current.role !== 'candidate' || message.term !== state.term) return;
  countVote(state, from);
}

export function onVoteRefused(state: RaftState, from: NodeId, message: VoteRefused): void {
  // A lower term comes from a loyal voter, who may yet change its mind; it counts neither way.
  if (state.current.role !== 'candidate' || message.term !== state.term) return;
  state.current.refused.add(from);
  giveUpWhenLost(state);
}

function countVote(state: RaftState, voter: NodeId): void {
  assert(state.current.role === 'candidate', 'votes are counted by a candidate');
  state.current.granted.add(voter);
  const { granted } = state.current;
  const won = isQuorum(state.configuration, (one) => granted.has(one));
  // A quorum of others is not enough: a leader must itself be unable to forget that it stood.
  if (won && granted.has(state.id)) becomeLeader(state);
}

/** After a crash, a split vote should cost milliseconds, not an election timeout. */
export function giveUpWhenLost(state: RaftState): void {
  const candidacy = state.current;
  if (candidacy.role !== 'candidate') return;
  const { granted, refused } = candidacy;
  const mayGrant = (voter: NodeId): boolean => granted.has(voter) || !(refused.has(voter) || state.deadPeers.has(voter));
  if (isQuorum(state.configuration, mayGrant)) return;
  state.becomeFollower(state.term, undefined);
  if (state.crashElection) restartTimerForRetry(state);
}
