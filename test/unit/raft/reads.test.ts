/** Thesis 6.4: reads that miss nothing that was acknowledged before they were asked for. */
import { describe, expect, test } from 'vitest';
import { RaftCore } from '../../../src/raft/core.ts';
import type { Effects } from '../../../src/raft/effects.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import { logIndex, type NodeId, term } from '../../../src/raft/types.ts';
import { DEFAULTS, founding, restored, SeededRandom, voterIds } from './shell.ts';

const [one, two, three] = voterIds(3) as [NodeId, NodeId, NodeId];
const NOW = 2_000;

function core(voters: readonly NodeId[] = [one, two, three]): RaftCore {
  const config = { ...DEFAULTS, id: one, ...founding(voters) };
  return new RaftCore(config, restored({ term: term(3), vote: undefined }, 0, []), new SeededRandom(1), 0);
}

function receive(node: RaftCore, from: NodeId, message: PeerMessage): Effects {
  return node.step({ type: 'message', from, message }, NOW);
}

function written(node: RaftCore, effects: Effects): Effects {
  const { sequence, hardState } = effects.write as NonNullable<Effects['write']>;
  return node.step({ type: 'written', sequence, term: hardState.term }, NOW);
}

/** Elected, its opening entry not committed yet. */
function elected(): RaftCore {
  const node = core();
  node.step({ type: 'tick' }, NOW);
  written(node, receive(node, two, { type: 'preVoteResponse', term: term(4), granted: true }));
  written(node, receive(node, two, { type: 'voteGranted', term: term(4) }));
  expect(node.status.role).toBe('leader');
  return node;
}

function leader(): RaftCore {
  const node = elected();
  receive(node, two, { type: 'appendAccepted', term: term(4), request: 1, matchIndex: logIndex(1) });
  expect(node.commitIndex).toBe(1);
  return node;
}

const answer = (round: number): PeerMessage => ({ type: 'heartbeatResponse', term: term(4), round, fit: true });
const rounds = ({ send }: Effects): number[] =>
  send.flatMap(({ message }) => (message.type === 'heartbeat' ? [message.round] : []));

describe('ReadIndex', () => {
  test('is answered once a quorum has answered heartbeats that left after the question', () => {
    const node = leader();
    const asked = node.step({ type: 'read', read: 7 }, NOW);
    expect(asked.reads).toEqual([]);
    expect(rounds(asked)).toEqual([1, 1]);
    expect(receive(node, two, answer(1)).reads).toEqual([{ read: 7, index: 1 }]);
  });

  test('an answer to a former round says nothing about this question (read index reused)', () => {
    const node = leader();
    node.step({ type: 'read', read: 7 }, NOW);
    const second = node.step({ type: 'read', read: 8 }, NOW);
    // No second round while the first is on its way: it waits for the next.
    expect(rounds(second)).toEqual([]);
    const first = receive(node, two, answer(1));
    expect(first.reads).toEqual([{ read: 7, index: 1 }]);
    expect(rounds(first)).toEqual([2, 2]);
    expect(receive(node, three, answer(1)).reads).toEqual([]);
    expect(receive(node, three, answer(2)).reads).toEqual([{ read: 8, index: 1 }]);
  });

  test('waits until the new leader has committed an entry of its own: before, it does not know how far the log is committed', () => {
    const node = elected();
    node.step({ type: 'read', read: 7 }, NOW);
    expect(receive(node, two, answer(1)).reads).toEqual([]);
    const committed = receive(node, two, { type: 'appendAccepted', term: term(4), request: 1, matchIndex: logIndex(1) });
    expect(committed.reads).toEqual([{ read: 7, index: 1 }]);
  });

  test('fails when the leadership ends first: the answer of another leader is needed', () => {
    const node = leader();
    node.step({ type: 'read', read: 7 }, NOW);
    const deposed = receive(node, two, { type: 'heartbeat', term: term(5), round: 1, commitIndex: logIndex(0) });
    expect(deposed.reads).toEqual([{ read: 7, index: undefined }]);
  });

  test('a follower asks its leader, which answers as it would answer itself', () => {
    const follower = core();
    receive(follower, two, { type: 'heartbeat', term: term(4), round: 1, commitIndex: logIndex(0) });
    const asked = follower.step({ type: 'read', read: 9 }, NOW);
    expect(asked.send).toEqual([{ to: two, message: { type: 'readRequest', term: 4, read: 9 } }]);
    const answered = receive(follower, two, { type: 'readResponse', term: term(4), read: 9, index: logIndex(5) });
    expect(answered.reads).toEqual([{ read: 9, index: 5 }]);

    const node = leader();
    receive(node, three, { type: 'readRequest', term: term(4), read: 9 });
    expect(receive(node, two, answer(1)).send).toContainEqual({
      to: three,
      message: { type: 'readResponse', term: 4, read: 9, index: 1 },
    });
    expect(receive(node, three, { type: 'readRequest', term: term(3), read: 10 }).send).toEqual([]);
  });

  test('fails at once where no leader is known', () => {
    expect(core().step({ type: 'read', read: 7 }, 0).reads).toEqual([{ read: 7, index: undefined }]);
  });

  test('a sole voter needs nobody', () => {
    const node = core([one]);
    const opened = written(node, node.step({ type: 'tick' }, 0 + NOW));
    written(node, opened);
    expect(node.step({ type: 'read', read: 7 }, NOW).reads).toEqual([{ read: 7, index: 1 }]);
  });
});
