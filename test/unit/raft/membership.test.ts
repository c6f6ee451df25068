/** Thesis chapter 4, and what a wiped disk may do. A leader of three; the answers of the others are written by hand. */
import { describe, expect, test } from 'vitest';
import {
  type Configuration,
  encodeConfiguration,
  type Member,
  memberOf,
  NO_CONFIGURATION,
} from '../../../src/raft/configuration.ts';
import { RaftCore } from '../../../src/raft/core.ts';
import type { Effects } from '../../../src/raft/effects.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import { type Entry, KIND_CONFIGURATION, type LogIndex, logIndex, type NodeId, term } from '../../../src/raft/types.ts';
import { DEFAULTS, DISK, founding, memberFor, restored, SeededRandom, voterIds } from './shell.ts';

const [n1, n2, n3, n4] = voterIds(4) as [NodeId, NodeId, NodeId, NodeId];
const ids = [n1, n2, n3, n4];
const HARD_STATE = { term: term(3), vote: undefined };

class Group {
  nowMs = 2_000;
  readonly core: RaftCore;
  #requests = new Map<string, number>();

  constructor(voters: readonly NodeId[] = ids.slice(0, 3)) {
    const config = { ...DEFAULTS, id: n1, ...founding(voters) };
    this.core = new RaftCore(config, restored(HARD_STATE, 0, []), new SeededRandom(1), 0);
    const standing = this.core.step({ type: 'tick' }, this.nowMs);
    const stood = standing.write ? standing : this.#all(voters, { type: 'preVoteResponse', term: term(4), granted: true });
    this.write(stood);
    if (this.core.status.role !== 'leader') this.write(this.#all(voters, { type: 'voteGranted', term: term(4) }));
    expect(this.core.status.role).toBe('leader');
    for (const id of voters.slice(1)) this.accept(id);
  }

  write(effects: Effects): Effects {
    if (!effects.write) return effects;
    const { sequence, hardState } = effects.write;
    return this.write(this.core.step({ type: 'written', sequence, term: hardState.term }, this.nowMs));
  }

  receive(from: NodeId, message: PeerMessage): Effects {
    return this.write(this.core.step({ type: 'message', from, message }, this.nowMs));
  }

  /** The follower holds everything up to `index`. */
  accept(from: NodeId, index: LogIndex = this.core.lastIndex): Effects {
    const request = (this.#requests.get(from) ?? 0) + 1;
    this.#requests.set(from, request);
    return this.receive(from, { type: 'appendAccepted', term: this.core.status.term, request, matchIndex: index });
  }

  change(voters: readonly NodeId[], learners: readonly NodeId[] = []): Effects {
    const members = [...voters, ...learners].map((id) => memberFor(id));
    const effects = this.core.step({ type: 'changeMembership', members, voters }, this.nowMs);
    this.write(effects);
    return effects;
  }

  get configuration(): Configuration {
    return this.core.status.configuration;
  }

  #all(voters: readonly NodeId[], message: PeerMessage): Effects {
    let last: Effects | undefined;
    for (const id of voters.slice(1)) last ??= this.receive(id, message);
    return last as Effects;
  }
}

describe('thesis 4.1', () => {
  test('a server always uses the latest configuration in its log, whether it is committed or not', () => {
    const group = new Group();
    group.change([n1, n2, n3], [n4]);
    expect(group.core.commitIndex).toBe(1);
    expect(group.configuration.members.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
    expect(group.core.progress().map(({ id }) => id)).toEqual(['2', '3', '4']);
  });

  test('a follower that truncates a configuration falls back to the one before', () => {
    const core = new RaftCore(
      { ...DEFAULTS, id: n2, ...founding([n1, n2, n3]) },
      restored(HARD_STATE, 0, []),
      new SeededRandom(1),
      0,
    );
    const configuration = { members: ids.map((id) => memberFor(id)), voters: [n1, n2, n3], outgoing: [] };
    const entry = (index: number, value: number, kind = 16): Entry => {
      const payload = kind === KIND_CONFIGURATION ? encodeConfiguration(configuration) : new Uint8Array(1);
      return { index: logIndex(index), term: term(value), kind, payload };
    };
    const append = (value: number, entries: readonly Entry[]): PeerMessage => ({
      type: 'appendRequest',
      term: term(value),
      request: 1,
      previousIndex: logIndex(0),
      previousTerm: term(0),
      commitIndex: logIndex(0),
      entries,
    });
    core.step({ type: 'message', from: n1, message: append(4, [entry(1, 4, KIND_CONFIGURATION)]) }, 10);
    expect(core.status.configuration.members).toHaveLength(4);
    core.step({ type: 'message', from: n3, message: append(5, [entry(1, 5)]) }, 20);
    expect(core.status.configuration.members).toHaveLength(3);
  });

  test('one change at a time: the next is refused until the last is committed', () => {
    const group = new Group();
    group.change([n1, n2, n3], [n4]);
    expect(group.change([n1, n2, n3]).membership).toMatchObject({ accepted: false, reason: 'changing' });
    group.accept(n2);
    expect(group.change([n1, n2, n3]).membership).toMatchObject({ accepted: true });
  });

  test('no change before the leadership has committed an entry of its own (the fix of 2015)', () => {
    const group = new Group([n1]);
    expect(group.change([n1], [n2]).membership).toMatchObject({ accepted: true });
    const core = new RaftCore(
      { ...DEFAULTS, id: n1, ...founding([n1, n2, n3]) },
      restored(HARD_STATE, 0, []),
      new SeededRandom(1),
      0,
    );
    core.step({ type: 'tick' }, 2_000);
    core.step({ type: 'message', from: n2, message: { type: 'preVoteResponse', term: term(4), granted: true } }, 2_000);
    core.step({ type: 'written', sequence: 1 as never, term: term(4) }, 2_000);
    core.step({ type: 'message', from: n2, message: { type: 'voteGranted', term: term(4) } }, 2_000);
    const { membership } = core.step(
      { type: 'changeMembership', members: [memberFor(n1), memberFor(n2)], voters: [n1, n2] },
      2_000,
    );
    expect(membership).toMatchObject({ accepted: false, reason: 'changing' });
  });
});

describe('thesis 4.2', () => {
  test('4.2.1: a new server gets the log before it gets the vote, and counts for nothing until then', () => {
    const group = new Group();
    const { membership } = group.change([n1, n2, n3, n4]);
    expect(membership).toMatchObject({ accepted: false, reason: 'unsound', problem: '4 must be a learner first' });
    group.change([n1, n2, n3], [n4]);
    group.accept(n4);
    expect(group.core.commitIndex).toBe(1);
    group.accept(n2);
    expect(group.core.commitIndex).toBe(2);
  });

  test('4.2.1: a learner that has not caught up gets no vote yet', () => {
    const group = new Group();
    group.change([n1, n2, n3], [n4]);
    group.accept(n2);
    expect(group.change([n1, n2, n3, n4]).membership).toMatchObject({ accepted: false, reason: 'notCaughtUp' });
    group.accept(n4);
    group.core.step({ type: 'peerDisconnected', peer: n4 }, group.nowMs);
    // Gone, perhaps for good: with its vote the group might never decide anything again.
    expect(group.change([n1, n2, n3, n4]).membership).toMatchObject({ accepted: false, reason: 'notCaughtUp' });
    group.core.step({ type: 'peerConnected', peer: n4 }, group.nowMs);
    expect(group.change([n1, n2, n3, n4]).membership).toMatchObject({ accepted: false, reason: 'notCaughtUp' });
    group.accept(n4);
    expect(group.change([n1, n2, n3, n4]).membership).toMatchObject({ accepted: true });
  });

  test('4.2.2: a leader that is removed leads until that is committed, does not count itself, and then hands over', () => {
    const group = new Group();
    group.change([n2, n3]);
    // Joint: a quorum of both. n1 counts in the old one.
    group.accept(n2);
    expect(group.configuration).toMatchObject({ voters: ['2', '3'], outgoing: ['1', '2', '3'] });
    group.accept(n3);
    expect(group.configuration).toMatchObject({ voters: ['2', '3'], outgoing: [] });
    group.accept(n2);
    expect(group.core.status.role).toBe('leader');
    const effects = group.accept(n3);
    expect(effects.send).toContainEqual({ to: '2', message: { type: 'timeoutNow', term: 4 } });
    expect(group.core.status.role).toBe('follower');
    // And stands for no election any more.
    for (let round = 0; round < 5; round += 1) {
      group.nowMs = group.core.nextDeadlineMs;
      expect(group.core.step({ type: 'tick' }, group.nowMs).send).toEqual([]);
    }
  });
});

describe('thesis 4.3, joint consensus', () => {
  test('agreement requires separate majorities from the old and the new configuration', () => {
    const group = new Group([n1]);
    group.change([n1], [n2, n3]);
    for (const id of [n2, n3]) group.accept(id);
    group.change([n1, n2, n3]);
    const jointIndex = group.core.lastIndex;
    // The old majority, n1, holds it; of the new one only n1 does.
    expect(group.core.commitIndex).toBe(jointIndex - 1);
    group.accept(n2, jointIndex);
    expect(group.core.commitIndex).toBeGreaterThanOrEqual(jointIndex);
  });

  test('once the joint configuration is committed, the leader appends the new one by itself', () => {
    const group = new Group();
    group.change([n1, n2]);
    group.accept(n2);
    expect(group.configuration).toMatchObject({ voters: ['1', '2'], outgoing: [] });
    expect(group.configuration.members.map(({ id }) => id)).toEqual(['1', '2']);
    expect(group.core.isSettled).toBe(false);
    group.accept(n2);
    expect(group.core.isSettled).toBe(true);
  });

  test('an election in a joint configuration is won by both majorities only', () => {
    const joint = { members: ids.map((id) => memberFor(id)), voters: [n1, n4], outgoing: [n1, n2, n3] };
    const entry: Entry = { index: logIndex(1), term: term(3), kind: KIND_CONFIGURATION, payload: encodeConfiguration(joint) };
    const log = { ...restored(HARD_STATE, 1, [{ term: term(3), firstIndex: logIndex(1) }]), configurations: [entry] };
    const roles = (voters: readonly NodeId[]): string[] => {
      const core = new RaftCore({ ...DEFAULTS, id: n1, ...founding([n1, n2, n3]) }, log, new SeededRandom(1), 0);
      core.step({ type: 'tick' }, 2_000);
      return voters.map((from) => {
        core.step({ type: 'message', from, message: { type: 'preVoteResponse', term: term(4), granted: true } }, 2_000);
        return core.status.role;
      });
    };
    // The old majority alone, then the new one alone.
    expect(roles([n2, n3, n4])).toEqual(['preCandidate', 'preCandidate', 'candidate']);
    expect(roles([n4, n2])).toEqual(['preCandidate', 'candidate']);
  });
});

describe('a wiped disk', () => {
  const voteRequest: PeerMessage = {
    type: 'voteRequest',
    term: term(9),
    lastIndex: logIndex(9),
    lastTerm: term(8),
    transfer: false,
  };

  test('under a known name gives no vote, and stands for no election', () => {
    const wiped = { ...DEFAULTS, id: n1, ...founding([n1, n2, n3]), disk: 'another' };
    const core = new RaftCore(wiped, restored({ term: term(0), vote: undefined }, 0, []), new SeededRandom(1), 0);
    expect(core.step({ type: 'message', from: n2, message: voteRequest }, 10)).toMatchObject({
      send: [{ message: { type: 'voteRefused' } }],
      sendAfterWrite: [],
    });
    for (let round = 0; round < 5; round += 1) expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toEqual([]);
  });

  test('the same holds for a node that knows of no group', () => {
    const config = { ...DEFAULTS, id: n4, disk: DISK, founding: NO_CONFIGURATION };
    const core = new RaftCore(config, restored({ term: term(0), vote: undefined }, 0, []), new SeededRandom(1), 0);
    expect(core.step({ type: 'message', from: n2, message: voteRequest }, 10).sendAfterWrite).toEqual([]);
    for (let round = 0; round < 5; round += 1) expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toEqual([]);
  });

  test('comes back as another member: out, in as a learner, and what the former disk attested counts no more', () => {
    const group = new Group();
    const members = [n1, n2, n3].map((id) => memberFor(id, id === n3 ? 'another' : DISK));
    const change = (voters: readonly NodeId[]) =>
      group.core.step({ type: 'changeMembership', members, voters }, group.nowMs).membership;
    expect(change([n1, n2, n3])).toMatchObject({
      reason: 'unsound',
      problem: '3 has another disk: it must leave and come back as a learner',
    });
    // Not even on its way out: until that is committed its old disk votes.
    expect(change([n1, n2])).toMatchObject({
      reason: 'unsound',
      problem: '3 has another disk: it must leave and come back as a learner',
    });
    group.change([n1, n2]);
    group.accept(n2);
    group.accept(n2);
    expect(change([n1, n2])).toMatchObject({ accepted: true });
    expect(group.core.progress().find(({ id }) => id === n3)).toMatchObject({ matchIndex: 0 });
  });

  test('a voter becomes a learner only to return: it stays a member, without its vote', () => {
    const group = new Group();
    const change = (third: Member): Effects => {
      const members = [memberFor(n1), memberFor(n2), third];
      return group.write(group.core.step({ type: 'changeMembership', members, voters: [n1, n2] }, group.nowMs));
    };
    expect(change(memberFor(n3)).membership).toMatchObject({
      reason: 'unsound',
      problem: '3 votes: it must leave before it can be a learner',
    });
    const returning = { ...memberFor(n3), returning: true as const };
    change(returning);
    expect(group.configuration).toMatchObject({ voters: ['1', '2'], outgoing: ['1', '2', '3'] });
    group.accept(n2);
    expect(group.configuration).toMatchObject({ voters: ['1', '2'], outgoing: [] });
    expect(memberOf(group.configuration, n3)).toEqual(returning);
    group.accept(n2);
    change({ ...returning, disk: 'another' });
    expect(memberOf(group.configuration, n3)).toEqual({ ...returning, disk: 'another' });
  });

  test('who returns is a member like any other when it has its vote', () => {
    const group = new Group();
    const members = [...[n1, n2, n3].map((id) => memberFor(id)), { ...memberFor(n4), returning: true as const }];
    const change = (voters: readonly NodeId[]): Effects =>
      group.write(group.core.step({ type: 'changeMembership', members, voters }, group.nowMs));
    change([n1, n2, n3]);
    expect(memberOf(group.configuration, n4)).toEqual(members[3]);
    for (const id of [n2, n4]) group.accept(id);
    change([n1, n2, n3, n4]);
    expect(memberOf(group.configuration, n4)).toEqual(memberFor(n4));
  });
});
