/** What a node does with the words of a leader. */
import { assert } from '../base/assert.ts';
import { decodeConfiguration } from './configuration.ts';
import { campaign } from './election.ts';
import type { AppendRequest, Heartbeat, SnapshotOffer, TimeoutNow } from './messages.ts';
import type { RaftState } from './state.ts';
import type { Entry, LogBase, LogIndex, NodeId, Term } from './types.ts';

const NOTHING = { hintIndex: 0 as LogIndex, hintTerm: 0 as Term };

export function onAppendRequest(state: RaftState, from: NodeId, message: AppendRequest): void {
  assertWellFormed(message);
  const { request, previousIndex, previousTerm } = message;
  if (message.term < state.term) {
    // Our term makes the stale leader step down.
    state.outbox.send(from, { type: 'appendRejected', term: state.term, request, previousIndex, ...NOTHING });
    return;
  }
  state.follow(from, message.term);
  const { log } = state;
  // What a message repeats from before the base is committed and here, in a snapshot.
  if (!log.matches(previousIndex, previousTerm)) {
    const atMost = Math.min(previousIndex, log.lastIndex) as LogIndex;
    const hintIndex = Math.max(log.base.index, log.lastIndexWithTermAtMost(atMost, previousTerm)) as LogIndex;
    const hintTerm = log.termAt(hintIndex);
    state.outbox.send(from, { type: 'appendRejected', term: state.term, request, previousIndex, hintIndex, hintTerm });
    return;
  }
  const news = entriesNotHeld(state, message.entries);
  if (news.length > 0) state.appendEntries(news);
  // Not our last entry: beyond what this message vouches for, the log may be another leader's (paper figure 2).
  const matchIndex = Math.max(previousIndex + message.entries.length, log.base.index) as LogIndex;
  state.commitTo(Math.min(message.commitIndex, matchIndex) as LogIndex);
  attestMatch(state, from, request, matchIndex);
}

/** Also when nothing was new: what is acknowledged may still be on its way to the disk (B06). */
function attestMatch(state: RaftState, leader: NodeId, request: number, matchIndex: LogIndex): void {
  const after = state.writes.sequenceCovering(matchIndex);
  state.outbox.sendAfterWrite(after, leader, { type: 'appendAccepted', term: state.term, request, matchIndex });
}

/** The leader has dropped what comes next here. Its snapshot is fetched, by the caller, beside everything else. */
export function onSnapshotOffer(state: RaftState, from: NodeId, message: SnapshotOffer): void {
  const { index, indexTerm, request } = message;
  if (message.term < state.term) {
    state.outbox.send(from, { type: 'appendRejected', term: state.term, request, previousIndex: index, ...NOTHING });
    return;
  }
  state.follow(from, message.term);
  state.commitWhenHeld(index, indexTerm);
  if (index <= state.commitIndex) attestMatch(state, from, request, index);
  else state.outbox.fetchSnapshot = { from, index, term: indexTerm };
}

/** A snapshot was fetched and is durable: what it holds is committed. */
export function onSnapshotFetched(state: RaftState, base: LogBase): void {
  assert(base.configuration !== undefined, 'a snapshot says who belongs to the group');
  assert(state.role !== 'leader' || base.index <= state.commitIndex, 'a leader lacks nothing that is committed (paper 5.4.3)');
  state.commitWhenHeld(base.index, base.term);
  if (base.index > state.commitIndex) state.resetTo(base, decodeConfiguration(base.configuration));
}

/**
 * The entries from the first one on that the log lacks or has from another term. Only such a conflict truncates: an old, shorter message
 * that arrives late agrees with the log and must not cut off what came after it (B14).
 */
function entriesNotHeld(state: RaftState, entries: readonly Entry[]): readonly Entry[] {
  const held = entries.findIndex((entry) => !state.log.matches(entry.index, entry.term));
  return held === -1 ? [] : entries.slice(held);
}

function assertWellFormed(message: AppendRequest): void {
  let { previousIndex: index, previousTerm: term }: { previousIndex: number; previousTerm: number } = message;
  assert((index === 0) === (term === 0), 'only the position before the first entry has term 0');
  for (const entry of message.entries) {
    assert(entry.index === index + 1, 'entries of a message follow each other');
    assert(entry.term >= term && entry.term <= message.term, 'terms never descend, nor pass the leader');
    index = entry.index;
    term = entry.term;
  }
}

export function onHeartbeat(state: RaftState, from: NodeId, message: Heartbeat): void {
  if (message.term >= state.term) {
    state.follow(from, message.term);
    // What we do not hold, although the leader believes so, was lost by a disk that was not told to be safe: probing will tell.
    if (message.commitIndex <= state.log.lastIndex) state.commitTo(message.commitIndex);
  }
  // To a stale leader the answer carries our higher term, and it steps down: a node with a higher term than the rest, which PreVote
  // keeps from being elected, would otherwise be shut out for good.
  const fit = state.fitness === 'fit' && state.lostPosition === undefined;
  state.outbox.send(from, { type: 'heartbeatResponse', term: state.term, round: message.round, fit });
}

/** The leader itself wants us to take over: no PreVote, and voters will not be loyal to it (thesis 3.10). */
export function onTimeoutNow(state: RaftState, from: NodeId, message: TimeoutNow): void {
  if (message.term < state.term) return;
  assert(message.term > state.term || state.role !== 'leader', 'two leaders in one term (paper 5.2)');
  if (message.term > state.term) state.becomeFollower(message.term, from);
  if (state.mayStand) campaign(state, true);
}
