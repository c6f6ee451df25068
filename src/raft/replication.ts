/** How a leader brings its followers' logs in line with its own, and when it calls entries committed. */
import { assert } from '../base/assert.ts';
import type { AppendAccepted, AppendRejected, HeartbeatResponse } from './messages.ts';
import type { FollowerProgress } from './progress.ts';
import { configurationValue, isQuorum } from './quorum.ts';
import type { Leadership, RaftState } from './state.ts';
import type { LogIndex, NodeId } from './types.ts';

export function replicateToAll(state: RaftState, leadership: Leadership): void {
  for (const follower of leadership.followers.values()) replicateTo(state, follower);
}

/** Sends what the follower lacks and its window has room for. */
export function replicateTo(state: RaftState, follower: FollowerProgress): void {
  // A dead process takes nothing. Its first answer to a heartbeat, or `peerConnected`, starts this again.
  if (state.deadPeers.has(follower.id)) return;
  const { log, config } = state;
  if (follower.nextIndex <= log.base.index) {
    offerSnapshot(state, follower);
    return;
  }
  if (follower.state === 'probe') {
    if (follower.inflightAppends === 0) sendProbe(state, follower);
    return;
  }
  while (follower.nextIndex <= log.lastIndex && follower.inflightAppends < config.maxInflightAppends) {
    const first = follower.nextIndex;
    if (first < log.sizes.firstIndex) {
      // It fell so far behind that sizes are forgotten: once the pipeline is empty, catch up one message at a time.
      if (follower.inflightAppends > 0) return;
      follower.becomeCatchUp();
      sendProbe(state, follower);
      return;
    }
    const last = log.sizes.lastFitting(first, config.maxAppendBytes);
    const bytes = log.sizes.bytes(first, last);
    if (follower.inflightBytes > 0 && follower.inflightBytes + bytes > config.maxInflightBytes) return;
    sendAppend(state, follower, last, bytes, true);
  }
}

/** What it lacks was dropped here. It fetches the snapshot on its own, however long that takes; the offer is repeated like a probe. */
function offerSnapshot(state: RaftState, follower: FollowerProgress): void {
  if (follower.state === 'replicate') follower.forgetInflight();
  if (follower.inflightAppends > 0) return;
  const { index, term: indexTerm } = state.log.base;
  const request = follower.offered(index, state.nowMs);
  state.outbox.send(follower.id, { type: 'snapshotOffer', term: state.term, request, index, indexTerm });
}

/**
 * One message that finds out where the logs agree; it carries entries, for the guess is right more often than not. Not so when probes were not
 * answered in time: a large message may take longer than the patience before the next, so that every rejection would
 * come too late to be taken for an answer.
 */
function sendProbe(state: RaftState, follower: FollowerProgress): void {
  const { log, config } = state;
  const first = follower.nextIndex;
  const isGuess = first - 1 > follower.matchIndex;
  if (first > log.lastIndex || (isGuess && follower.isUnanswered)) {
    sendAppend(state, follower, (first - 1) as LogIndex, 0, true);
  } else if (first >= log.sizes.firstIndex) {
    const last = log.sizes.lastFitting(first, config.maxAppendBytes);
    sendAppend(state, follower, last, log.sizes.bytes(first, last), true);
  } else {
    sendAppend(state, follower, log.lastIndex, config.maxAppendBytes, false);
  }
}

function sendAppend(state: RaftState, follower: FollowerProgress, lastIndex: LogIndex, bytes: number, exact: boolean): void {
  const previousIndex = (follower.nextIndex - 1) as LogIndex;
  assert(previousIndex >= follower.matchIndex, 'next is always beyond match');
  state.outbox.replicate({
    to: follower.id,
    term: state.term,
    request: follower.sent(lastIndex, bytes, state.nowMs),
    previousIndex,
    previousTerm: state.log.termAt(previousIndex),
    lastIndex,
    exact,
    commitIndex: state.commitIndex,
  });
}

/** Heard of lately, and not known to be dead. */
export function isActive(state: RaftState, follower: FollowerProgress): boolean {
  return !state.deadPeers.has(follower.id) && state.nowMs - follower.lastHeardMs < state.config.electionTimeoutMinMs;
}

export function onAppendAccepted(state: RaftState, leadership: Leadership, from: NodeId, message: AppendAccepted): void {
  const follower = leadership.followers.get(from);
  if (follower === undefined) return;
  assert(message.matchIndex <= state.log.lastIndex, 'a follower accepts only what this leader has sent');
  follower.lastHeardMs = state.nowMs;
  const answersProbe = follower.accepted(message.request, message.matchIndex, state.nowMs);
  if (answersProbe && follower.nextIndex >= state.log.sizes.firstIndex) follower.becomeReplicate();
  commitWhatQuorumHolds(state, leadership);
  replicateTo(state, follower);
}

export function onAppendRejected(state: RaftState, leadership: Leadership, from: NodeId, message: AppendRejected): void {
  const follower = leadership.followers.get(from);
  if (follower === undefined) return;
  follower.lastHeardMs = state.nowMs;
  if (!follower.isCurrentRejection(message.request, message.previousIndex)) return;
  // Our log agrees with the follower's at most where its term is no newer than what the follower has there (paper 5.3).
  const hintIndex = Math.min(message.hintIndex, message.previousIndex - 1, state.log.lastIndex) as LogIndex;
  const agreesAtMost = state.log.lastIndexWithTermAtMost(hintIndex, message.hintTerm);
  follower.backUpTo((agreesAtMost + 1) as LogIndex);
  replicateTo(state, follower);
}

/** A sign of life, and the moment to notice that something sent before has been lost: an idle leader repairs too (B29). */
export function onHeartbeatResponse(state: RaftState, leadership: Leadership, from: NodeId, message: HeartbeatResponse): void {
  const follower = leadership.followers.get(from);
  if (follower === undefined) return;
  follower.lastHeardMs = state.nowMs;
  follower.fit = message.fit;
  follower.answeredRound = Math.max(follower.answeredRound, message.round);
  const { heartbeatIntervalMs, electionTimeoutMinMs } = state.config;
  if (follower.isStalled(state.nowMs, heartbeatIntervalMs, electionTimeoutMinMs)) follower.forgetInflight();
  replicateTo(state, follower);
}

/**
 * Commits entries of the leader's own term that a quorum durably holds, and with them all before (paper 5.4.2). An older entry on a
 * quorum may still be overwritten: figure 8.
 */
export function commitWhatQuorumHolds(state: RaftState, leadership: Leadership): void {
  const matchOf = (voter: NodeId): LogIndex =>
    voter === state.id ? state.writes.durableIndex : (leadership.followers.get(voter)?.matchIndex ?? (0 as LogIndex));
  const index = configurationValue(state.configuration, matchOf);
  if (index <= state.commitIndex) return;
  assert(
    isQuorum(state.configuration, (voter) => matchOf(voter) >= index),
    'a quorum holds what is committed',
  );
  if (state.log.termAt(index) === leadership.term) state.commitTo(index);
}
