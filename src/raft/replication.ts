/** How a leader brings its followers' logs in line with its own, and when it calls entries committed. */
import { assert } from '../base/assert.ts';
import type { AppendAccepted, AppendRejected } from './messages.ts';
import type { FollowerProgress } from './progress.ts';
import { quorumSize, quorumValue } from './quorum.ts';
import type { Leadership, RaftState } from './state.ts';
import type { LogIndex, NodeId } from './types.ts';

export function replicateToAll(state: RaftState, leadership: Leadership): void {
  for (const follower of leadership.followers.values()) replicateTo(state, follower);
}

/** Sends what the follower lacks and its window has room for. */
export function replicateTo(state: RaftState, follower: FollowerProgress): void {
  // A dead process takes nothing. Its first answer to a heartbeat, or `peerConnected`, starts this again.
  if (state.deadPeers.has(follower.id)) return;
  if (follower.state === 'probe') {
    if (follower.inflightAppends === 0) sendProbe(state, follower);
    return;
  }
  const { log, config } = state;
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

/** One message that finds out where the logs agree; it carries entries, for the guess is right more often than not. */
function sendProbe(state: RaftState, follower: FollowerProgress): void {
  const { log, config } = state;
  const first = follower.nextIndex;
  if (first > log.lastIndex) {
    sendAppend(state, follower, log.lastIndex, 0, true);
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

export function onAppendAccepted(state: RaftState, leadership: Leadership, from: NodeId, message: AppendAccepted): void {
  const follower = followerOf(leadership, from);
  assert(message.matchIndex <= state.log.lastIndex, 'a follower accepts only what this leader has sent');
  follower.lastHeardMs = state.nowMs;
  const answersProbe = follower.accepted(message.request, message.matchIndex, state.nowMs);
  if (answersProbe && follower.nextIndex >= state.log.sizes.firstIndex) follower.becomeReplicate();
  commitWhatQuorumHolds(state, leadership);
  replicateTo(state, follower);
}

export function onAppendRejected(state: RaftState, leadership: Leadership, from: NodeId, message: AppendRejected): void {
  const follower = followerOf(leadership, from);
  follower.lastHeardMs = state.nowMs;
  if (!follower.isCurrentRejection(message.request, message.previousIndex)) return;
  // Our log agrees with the follower's at most where its term is no newer than what the follower has there (paper 5.3).
  const hintIndex = Math.min(message.hintIndex, message.previousIndex - 1, state.log.lastIndex) as LogIndex;
  const agreesAtMost = state.log.lastIndexWithTermAtMost(hintIndex, message.hintTerm);
  follower.backUpTo((agreesAtMost + 1) as LogIndex);
  replicateTo(state, follower);
}

/** A sign of life, and the moment to notice that something sent before has been lost: an idle leader repairs too (B29). */
export function onHeartbeatResponse(state: RaftState, leadership: Leadership, from: NodeId): void {
  const follower = followerOf(leadership, from);
  follower.lastHeardMs = state.nowMs;
  const { heartbeatIntervalMs, electionTimeoutMinMs } = state.config;
  if (follower.isStalled(state.nowMs, heartbeatIntervalMs, electionTimeoutMinMs)) follower.forgetInflight();
  replicateTo(state, follower);
}

/**
 * Commits entries of the leader's own term that a quorum durably holds, and with them all before (paper 5.4.2). An older entry on a
 * quorum may still be overwritten: figure 8.
 */
export function commitWhatQuorumHolds(state: RaftState, leadership: Leadership): void {
  const matches: LogIndex[] = [state.writes.durableIndex];
  for (const follower of leadership.followers.values()) matches.push(follower.matchIndex);
  const index = quorumValue(matches);
  if (index <= state.commitIndex) return;
  assert(
    matches.filter((match) => match >= index).length >= quorumSize(state.config.voters.length),
    'a quorum holds what is committed',
  );
  if (state.log.termAt(index) === leadership.term) state.commitTo(index);
}

function followerOf(leadership: Leadership, node: NodeId): FollowerProgress {
  const follower = leadership.followers.get(node);
  assert(follower !== undefined, 'every peer is a follower of the leader');
  return follower;
}
