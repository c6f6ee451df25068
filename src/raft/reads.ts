/**
 * Linearizable reads without writing (thesis 6.4, ReadIndex). The leader notes its commit index, makes sure with one round of heartbeats that it
 * still led after the question was asked, and answers with the index: whoever has applied the log up to there misses nothing that was
 * acknowledged before. Rounds are numbered by the leader, so that no answer to a former round is taken for one to this (B41).
 */
import { configurationValue } from './quorum.ts';
import type { Leadership, RaftState } from './state.ts';
import type { LogIndex, NodeId } from './types.ts';

export interface WaitingRead {
  readonly read: number;
  readonly from: NodeId;
  /** The commit index when it was asked; undefined until this leadership has committed something, for it does not know it before. */
  index: LogIndex | undefined;
  /** The first round of heartbeats that left after it was asked. */
  readonly round: number;
}

/** Reads that wait at a time. Those beyond are not answered: callers gather their reads, so this is for peers that do not. */
const MAX_WAITING = 10_000;

/** A read of this node's own clients: asked of itself, or of the leader. */
export function onRead(state: RaftState, read: number): void {
  const { leadership, leader, term } = state;
  if (leadership) addRead(state, leadership, state.id, read);
  else if (leader === undefined) state.outbox.answerRead(read, undefined);
  else state.outbox.send(leader, { type: 'readRequest', term, read });
}

/** Also asks for the round that answers it, unless one is on its way: then the next begins when that is answered. */
export function addRead(state: RaftState, leadership: Leadership, from: NodeId, read: number): void {
  const { reads } = leadership;
  if (reads.length >= MAX_WAITING) {
    if (from === state.id) state.outbox.answerRead(read, undefined);
    return;
  }
  const roundUnderWay = reads.some(({ round }) => round <= leadership.heartbeatRound);
  reads.push({ read, from, index: knownCommitIndex(state, leadership), round: leadership.heartbeatRound + 1 });
  if (!roundUnderWay) sendHeartbeats(state, leadership);
  answerReads(state, leadership);
}

/** To be called whenever a round was answered or something committed. */
export function answerReads(state: RaftState, leadership: Leadership): void {
  const { reads } = leadership;
  if (reads.length === 0) return;
  const confirmed = configurationValue(state.configuration, (voter) =>
    voter === state.id ? leadership.heartbeatRound : (leadership.followers.get(voter)?.answeredRound ?? 0),
  );
  const commitIndex = knownCommitIndex(state, leadership);
  const waiting: WaitingRead[] = [];
  for (const read of reads) {
    read.index ??= commitIndex;
    if (read.index === undefined || read.round > confirmed) waiting.push(read);
    else answer(state, leadership, read.from, read.read, read.index);
  }
  leadership.reads = waiting;
  const asksForNext = waiting.some(({ round }) => round > leadership.heartbeatRound);
  const underWay = waiting.some(({ round }) => round <= leadership.heartbeatRound && round > confirmed);
  if (asksForNext && !underWay) {
    sendHeartbeats(state, leadership);
    // A sole voter's own word is enough.
    if (confirmed === leadership.heartbeatRound - 1) answerReads(state, leadership);
  }
}

/** Whoever leads no more cannot say how far the log is committed. */
export function abandonReads(state: RaftState, leadership: Leadership): void {
  for (const { from, read } of leadership.reads) if (from === state.id) state.outbox.answerRead(read, undefined);
  leadership.reads = [];
}

export function sendHeartbeats(state: RaftState, leadership: Leadership): void {
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

/** A new leader knows only that what was committed before is in its log, not how far, until it has committed an entry of its own. */
function knownCommitIndex(state: RaftState, leadership: Leadership): LogIndex | undefined {
  return state.commitIndex >= leadership.openingIndex ? state.commitIndex : undefined;
}

function answer(state: RaftState, leadership: Leadership, to: NodeId, read: number, index: LogIndex): void {
  if (to === state.id) state.outbox.answerRead(read, index);
  else state.outbox.send(to, { type: 'readResponse', term: leadership.term, read, index });
}
