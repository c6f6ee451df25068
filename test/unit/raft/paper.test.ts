/** Sentences of the Raft paper and thesis, each tried on a single core. */
import { describe, expect, test } from 'vitest';
import type { RaftConfig } from '../../../src/raft/config.ts';
import { RaftCore } from '../../../src/raft/core.ts';
import type { Effects } from '../../../src/raft/effects.ts';
import type { AppendRequest, PeerMessage } from '../../../src/raft/messages.ts';
import { type Entry, logIndex, nodeId, type TermRun, term, type WriteSequence } from '../../../src/raft/types.ts';
import { DEFAULTS, founding, restored, SeededRandom } from './shell.ts';

const [one, two, three] = [nodeId('1'), nodeId('2'), nodeId('3')] as const;
const config: RaftConfig = { ...DEFAULTS, id: one, ...founding([one, two, three]) };

interface Start {
  readonly term?: number;
  readonly log?: readonly number[];
  readonly seed?: number;
  /** Where the log ended before a disk fault: [index, term]. */
  readonly floor?: readonly [number, number];
}

function coreWith({ term: value = 0, log = [], seed = 1, floor }: Start = {}): RaftCore {
  const termRuns: TermRun[] = [];
  for (const [position, entryTerm] of log.entries()) {
    if (termRuns.at(-1)?.term !== entryTerm) termRuns.push({ term: term(entryTerm), firstIndex: logIndex(position + 1) });
  }
  const hardState = { term: term(Math.max(value, log.at(-1) ?? 0)), vote: undefined };
  const lost = floor === undefined ? undefined : { index: logIndex(floor[0]), term: term(floor[1]) };
  return new RaftCore(config, restored(hardState, log.length, termRuns, lost), new SeededRandom(seed), 0);
}

function entry(index: number, value: number): Entry {
  return { term: term(value), index: logIndex(index), kind: 16, payload: new Uint8Array([index]) };
}

function append(value: number, previous: readonly [number, number], entries: readonly Entry[], commit = 0): AppendRequest {
  const [previousIndex, previousTerm] = [logIndex(previous[0]), term(previous[1])];
  return {
    type: 'appendRequest',
    term: term(value),
    request: 1,
    previousIndex,
    previousTerm,
    commitIndex: logIndex(commit),
    entries,
  };
}

function receive(core: RaftCore, from: typeof one, message: PeerMessage, nowMs = 0): Effects {
  return core.step({ type: 'message', from, message }, nowMs);
}

function written(core: RaftCore, effects: Effects, nowMs = 0): Effects {
  if (!effects.write) throw new Error('nothing was written');
  return core.step({ type: 'written', sequence: effects.write.sequence, term: effects.write.hardState.term }, nowMs);
}

/** Wins the next election with 2's help; returns the effects of that moment. */
function elect(core: RaftCore): Effects {
  const nowMs = core.nextDeadlineMs;
  core.step({ type: 'tick' }, nowMs);
  const next = term(core.status.term + 1);
  const campaign = receive(core, two, { type: 'preVoteResponse', term: next, granted: true }, nowMs);
  written(core, campaign, nowMs);
  return receive(core, two, { type: 'voteGranted', term: next }, nowMs);
}

describe('paper 5.1', () => {
  test('if one server’s current term is smaller than the other’s, then it updates its current term to the larger value', () => {
    for (const role of ['follower', 'leader'] as const) {
      const core = coreWith();
      if (role === 'leader') elect(core);
      receive(core, two, { type: 'heartbeatResponse', term: term(9), round: 1, fit: true }, 2000);
      expect(core.status).toMatchObject({ role: 'follower', term: 9, leader: undefined });
    }
  });

  test('if a server receives a request with a stale term number, it rejects the request, and says what the term is', () => {
    const core = coreWith({ term: 5 });
    const effects = receive(core, two, append(4, [0, 0], [entry(1, 4)]));
    expect(effects.write).toBeUndefined();
    expect(effects.send).toMatchObject([{ to: two, message: { type: 'appendRejected', term: 5 } }]);
    expect(receive(core, two, { type: 'heartbeat', term: term(4), round: 7, commitIndex: logIndex(0) }).send).toMatchObject([
      { to: two, message: { type: 'heartbeatResponse', term: 5, round: 7, fit: true } },
    ]);
    expect(core.status.leader).toBeUndefined();
  });
});

describe('paper 5.2', () => {
  test('election timeouts are chosen randomly from a fixed interval', () => {
    const deadlines = new Set<number>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const { nextDeadlineMs } = coreWith({ seed });
      expect(nextDeadlineMs).toBeGreaterThanOrEqual(500);
      expect(nextDeadlineMs).toBeLessThanOrEqual(1000);
      deadlines.add(nextDeadlineMs);
    }
    expect(deadlines.size).toBeGreaterThan(100);
  });

  test('a tick before its time does nothing', () => {
    const core = coreWith();
    const effects = core.step({ type: 'tick' }, core.nextDeadlineMs - 1);
    expect(effects.send).toEqual([]);
    expect(effects.status).toBeUndefined();
  });

  test('each server will vote for at most one candidate in a given term, on a first-come-first-served basis', () => {
    const core = coreWith();
    const request = { type: 'voteRequest', term: term(1), lastIndex: logIndex(0), lastTerm: term(0), transfer: false } as const;
    const first = receive(core, two, request);
    expect(first.write?.hardState).toEqual({ term: 1, vote: two });
    expect(first.sendAfterWrite).toEqual([{ after: 1, to: two, message: { type: 'voteGranted', term: 1 } }]);
    expect(receive(core, three, request).send).toMatchObject([{ to: three, message: { type: 'voteRefused', term: 1 } }]);
    // Asked again by the same, it says the same, and still not before it is durable.
    expect(receive(core, two, request).sendAfterWrite).toMatchObject([{ after: 1, message: { type: 'voteGranted' } }]);
    written(core, first);
    expect(receive(core, two, request).sendAfterWrite).toMatchObject([{ after: 0, message: { type: 'voteGranted' } }]);
  });

  test('a candidate wins if it receives votes from a majority, its own among them once it is durable', () => {
    const core = coreWith();
    const nowMs = core.nextDeadlineMs;
    core.step({ type: 'tick' }, nowMs);
    const campaign = receive(core, two, { type: 'preVoteResponse', term: term(1), granted: true }, nowMs);
    receive(core, two, { type: 'voteGranted', term: term(1) }, nowMs);
    receive(core, three, { type: 'voteGranted', term: term(1) }, nowMs);
    expect(core.status.role).toBe('candidate');
    written(core, campaign, nowMs);
    expect(core.status.role).toBe('leader');
  });

  test('if the leader’s term is at least as large as the candidate’s, the candidate returns to follower state', () => {
    const core = coreWith();
    const nowMs = core.nextDeadlineMs;
    core.step({ type: 'tick' }, nowMs);
    receive(core, two, { type: 'preVoteResponse', term: term(1), granted: true }, nowMs);
    receive(core, three, append(1, [0, 0], []), nowMs);
    expect(core.status).toMatchObject({ role: 'follower', term: 1, leader: three });
  });

  test('two leaders in one term stop the process', () => {
    const core = coreWith();
    elect(core);
    expect(() => receive(core, two, append(1, [0, 0], []), 2000)).toThrow('two leaders');
    const follower = coreWith();
    receive(follower, two, append(1, [0, 0], []));
    expect(() => receive(follower, three, append(1, [0, 0], []))).toThrow('two leaders');
  });

  test('a refused vote request does not put off the election, a granted one does (B18)', () => {
    const core = coreWith({ log: [1, 1] });
    const { nextDeadlineMs } = core;
    const request = { type: 'voteRequest', term: term(2), lastIndex: logIndex(1), lastTerm: term(1), transfer: false } as const;
    expect(receive(core, two, request, 400).send).toMatchObject([{ message: { type: 'voteRefused', term: 2 } }]);
    expect(core.status.term).toBe(2);
    expect(core.nextDeadlineMs).toBe(nextDeadlineMs);
    expect(receive(core, three, { ...request, lastIndex: logIndex(2) }, 450).sendAfterWrite).toHaveLength(1);
    expect(core.nextDeadlineMs).toBeGreaterThanOrEqual(950);
  });
});

describe('paper 5.3', () => {
  test('the leader appends the command to its log as a new entry, then issues AppendEntries in parallel', () => {
    const core = coreWith();
    const nowMs = core.nextDeadlineMs;
    const won = elect(core);
    for (const peer of [two, three]) {
      receive(core, peer, { type: 'appendAccepted', term: term(1), request: 1, matchIndex: logIndex(1) }, nowMs);
    }
    expect(won.write?.entries).toMatchObject([{ term: 1, index: 1, kind: 0 }]);
    const effects = core.step({ type: 'propose', term: term(1), proposals: [{ kind: 16, payload: new Uint8Array(3) }] }, nowMs);
    expect(effects.proposed).toEqual({ accepted: true, firstIndex: 2 });
    expect(effects.write?.entries).toMatchObject([{ term: 1, index: 2, kind: 16 }]);
    expect(effects.replicate).toMatchObject([
      { to: two, previousIndex: 1, previousTerm: 1, lastIndex: 2, exact: true },
      { to: three, previousIndex: 1, previousTerm: 1, lastIndex: 2, exact: true },
    ]);
  });

  test('if the follower does not find an entry in its log with the same index and term, then it refuses the new entries', () => {
    const core = coreWith({ log: [1, 1, 2, 2] });
    expect(receive(core, two, append(3, [5, 2], [entry(6, 3)])).send).toMatchObject([
      { message: { type: 'appendRejected', previousIndex: 5, hintIndex: 4, hintTerm: 2 } },
    ]);
    // The follower skips all of term 2 when the leader has term 1 there.
    expect(receive(core, two, append(3, [4, 1], [entry(5, 3)])).send).toMatchObject([
      { message: { type: 'appendRejected', previousIndex: 4, hintIndex: 2, hintTerm: 1 } },
    ]);
    expect(core.lastIndex).toBe(4);
  });

  test('if an existing entry conflicts with a new one, delete the existing entry and all that follow it', () => {
    const core = coreWith({ log: [1, 1, 2, 2] });
    const effects = receive(core, two, append(3, [1, 1], [entry(2, 1), entry(3, 3)]));
    expect(effects.write).toMatchObject({ truncateFrom: 3, entries: [{ index: 3, term: 3 }], hardState: { term: 3 } });
    expect(core.lastIndex).toBe(3);
  });

  test('only a conflict deletes: an old, shorter message must not (B14)', () => {
    const core = coreWith({ log: [1, 1, 1, 1] });
    const effects = receive(core, two, append(1, [1, 1], [entry(2, 1)]));
    expect(effects.write).toBeUndefined();
    expect(core.lastIndex).toBe(4);
    // And it vouches for no more than it says.
    expect(effects.sendAfterWrite).toMatchObject([{ after: 0, message: { type: 'appendAccepted', matchIndex: 2 } }]);
  });

  test('if leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)', () => {
    const core = coreWith({ log: [1, 1, 1, 1] });
    expect(receive(core, two, append(2, [1, 1], [entry(2, 1)], 4)).commitIndex).toBe(2);
    expect(receive(core, two, append(2, [0, 0], [], 4)).commitIndex).toBeUndefined();
    expect(core.commitIndex).toBe(2);
  });

  test('what is committed is never deleted', () => {
    const core = coreWith({ log: [1, 1] });
    receive(core, two, append(1, [2, 1], [], 2));
    expect(() => receive(core, three, append(2, [1, 1], [entry(2, 2)]))).toThrow('committed');
  });
});

describe('paper 5.4', () => {
  test('the voter denies its vote if its own log is more up-to-date than that of the candidate', () => {
    const core = coreWith({ log: [1, 2] });
    const ask = (lastIndex: number, lastTerm: number, value: number) => {
      const message = { term: term(value), lastIndex: logIndex(lastIndex), lastTerm: term(lastTerm) };
      const pre = receive(core, two, { type: 'preVoteRequest', ...message, deadLeader: undefined }).send[0]?.message;
      const vote = receive(core, two, { type: 'voteRequest', ...message, transfer: false }).sendAfterWrite.length > 0;
      return [pre?.type === 'preVoteResponse' && pre.granted, vote];
    };
    expect(ask(9, 1, 3)).toEqual([false, false]);
    expect(ask(1, 2, 4)).toEqual([false, false]);
    expect(ask(2, 2, 5)).toEqual([true, true]);
    expect(ask(1, 3, 6)).toEqual([true, true]);
  });

  test('only log entries from the leader’s current term are committed by counting replicas', () => {
    const core = coreWith({ log: [1, 1] });
    const nowMs = core.nextDeadlineMs;
    elect(core);
    const accepted = { type: 'appendAccepted', term: term(2), request: 1 } as const;
    expect(receive(core, two, { ...accepted, matchIndex: logIndex(2) }, nowMs).commitIndex).toBeUndefined();
    expect(receive(core, three, { ...accepted, matchIndex: logIndex(2) }, nowMs).commitIndex).toBeUndefined();
    // Two followers are a quorum of three, even before the leader's own disk has it.
    receive(core, two, { ...accepted, request: 2, matchIndex: logIndex(3) }, nowMs);
    expect(receive(core, three, { ...accepted, request: 2, matchIndex: logIndex(3) }, nowMs).commitIndex).toBe(3);
    expect(core.durableIndex).toBe(2);
  });
});

describe('late answers', () => {
  test('an acknowledgement given to a former leadership counts nothing in a new one (B24)', () => {
    const core = coreWith({ log: [1, 1] });
    elect(core);
    const nowMs = core.nextDeadlineMs;
    receive(core, three, append(3, [1, 1], [entry(2, 3)]), nowMs);
    expect(core.lastIndex).toBe(2);
    elect(core);
    expect(core.status).toMatchObject({ role: 'leader', term: 4 });
    // 2 held entries 2 and 3 of the leader of term 2: not those of today.
    const late = receive(core, two, { type: 'appendAccepted', term: term(2), request: 1, matchIndex: logIndex(3) }, 5000);
    expect(late.commitIndex).toBeUndefined();
    expect(core.progress()).toMatchObject([{ id: two, matchIndex: 0 }, { matchIndex: 0 }]);
    const refused = receive(core, two, { type: 'voteGranted', term: term(2) }, 5000);
    expect(refused.status).toBeUndefined();
  });

  test('an acknowledgement from before a reconnection counts nothing: the disk may have forgotten since', () => {
    const core = coreWith();
    const nowMs = core.nextDeadlineMs;
    elect(core);
    core.step({ type: 'peerDisconnected', peer: two }, nowMs);
    const probe = core.step({ type: 'peerConnected', peer: two }, nowMs).replicate[0];
    expect(probe).toMatchObject({ to: two, request: 2, previousIndex: 0 });
    const accepted = { type: 'appendAccepted', term: term(1), matchIndex: logIndex(1) } as const;
    receive(core, two, { ...accepted, request: 1 }, nowMs);
    expect(core.progress()[0]).toMatchObject({ matchIndex: 0, state: 'probe' });
    receive(core, two, { ...accepted, request: 2 }, nowMs);
    expect(core.progress()[0]).toMatchObject({ matchIndex: 1, state: 'replicate' });
  });

  test('a follower that lost what it attested is found out when it reconnects', () => {
    const core = coreWith({ log: [1, 1, 1] });
    const nowMs = core.nextDeadlineMs;
    elect(core);
    receive(core, two, { type: 'appendAccepted', term: term(2), request: 1, matchIndex: logIndex(4) }, nowMs);
    const probe = core.step({ type: 'peerConnected', peer: two }, nowMs).replicate[0];
    expect(probe).toMatchObject({ request: 2, previousIndex: 4, lastIndex: 4 });
    const hint = { hintIndex: logIndex(1), hintTerm: term(1) };
    const again = receive(
      core,
      two,
      { type: 'appendRejected', term: term(2), request: 2, previousIndex: logIndex(4), ...hint },
      nowMs,
    );
    expect(again.replicate).toMatchObject([{ to: two, request: 3, previousIndex: 1, exact: false }]);
  });
});

describe('thesis', () => {
  test('6.4: a leader commits a no-op at the start of its term', () => {
    const won = elect(coreWith({ log: [1] }));
    expect(won.status?.role).toBe('leader');
    expect(won.write?.entries).toMatchObject([{ index: 2, term: 2, kind: 0, payload: new Uint8Array(0) }]);
  });

  test('9.6: a PreVote raises no term, neither when asked nor when answered', () => {
    const core = coreWith({ term: 3 });
    const asked = receive(core, two, {
      type: 'preVoteRequest',
      term: term(9),
      lastIndex: logIndex(0),
      lastTerm: term(0),
      deadLeader: undefined,
    });
    expect(asked.write).toBeUndefined();
    expect(asked.send).toMatchObject([{ message: { type: 'preVoteResponse', term: 9, granted: true } }]);
    const asks = core.step({ type: 'tick' }, core.nextDeadlineMs);
    expect(asks.write).toBeUndefined();
    expect(core.status).toMatchObject({ role: 'preCandidate', term: 3 });
    // A refusal with a higher term is worth knowing: with a lower one no PreVote would ever succeed.
    receive(core, two, { type: 'preVoteResponse', term: term(8), granted: false }, 2000);
    expect(core.status).toMatchObject({ role: 'follower', term: 8 });
  });

  test('4.2.3: a server that heard from a leader within the minimum election timeout grants nothing and takes over no term', () => {
    const core = coreWith();
    receive(core, two, append(1, [0, 0], []), 100);
    const vote = { type: 'voteRequest', term: term(5), lastIndex: logIndex(9), lastTerm: term(4), transfer: false } as const;
    expect(receive(core, three, vote, 599).send).toMatchObject([{ message: { type: 'voteRefused', term: 1 } }]);
    expect(core.status).toMatchObject({ term: 1, leader: two });
    // Except when the leader wants it (3.10) …
    const transferred = coreWith();
    receive(transferred, two, append(1, [0, 0], []), 100);
    expect(receive(transferred, three, { ...vote, transfer: true }, 200).sendAfterWrite).toHaveLength(1);
    // … or is known dead, or silent for long enough.
    core.step({ type: 'peerDisconnected', peer: two }, 599);
    expect(receive(core, three, vote, 599).sendAfterWrite).toHaveLength(1);
    const later = coreWith();
    receive(later, two, append(1, [0, 0], []), 100);
    expect(receive(later, three, vote, 600).sendAfterWrite).toHaveLength(1);
  });

  test('10.2.1: the leader writes to its own disk in parallel, and counts itself only when that is done', () => {
    const core = coreWith();
    const nowMs = core.nextDeadlineMs;
    const won = elect(core);
    const accepted = { type: 'appendAccepted', term: term(1), request: 1, matchIndex: logIndex(1) } as const;
    expect(receive(core, two, accepted, nowMs).commitIndex).toBeUndefined();
    expect(written(core, won, nowMs).commitIndex).toBe(1);
  });
});

describe('caller', () => {
  test('a message from ourselves is ignored', () => {
    const core = coreWith();
    const effects = receive(core, one, append(7, [0, 0], [entry(1, 7)]));
    expect(effects).toMatchObject({ write: undefined, send: [], sendAfterWrite: [] });
    expect(core.status.term).toBe(0);
  });

  test('a leader that is no member as far as we know is followed: our configuration may be old (thesis 4.2.2)', () => {
    const core = coreWith();
    receive(core, nodeId('4'), append(7, [0, 0], [entry(1, 7)]));
    expect(core.status).toMatchObject({ term: 7, leader: '4' });
  });

  test('time that goes back, or a completion of a write never ordered, is a broken promise', () => {
    const core = coreWith();
    core.step({ type: 'tick' }, 100);
    expect(() => core.step({ type: 'tick' }, 99)).toThrow('time went back');
    expect(() => core.step({ type: 'written', sequence: 1 as WriteSequence, term: term(0) }, 100)).toThrow('never issued');
  });

  test('a proposal elsewhere than at the leader, or from another leadership, is refused', () => {
    const core = coreWith();
    const propose = (value: number) =>
      core.step({ type: 'propose', term: term(value), proposals: [{ kind: 16, payload: new Uint8Array(1) }] }, 2000).proposed;
    expect(propose(0)).toEqual({ accepted: false, reason: 'notLeader' });
    const leader = coreWith();
    elect(leader);
    const stale = leader.step({ type: 'propose', term: term(0), proposals: [{ kind: 16, payload: new Uint8Array(1) }] }, 2000);
    expect(stale.proposed).toEqual({ accepted: false, reason: 'staleTerm' });
    expect(stale.write).toBeUndefined();
  });

  test('the same inputs give the same effects', () => {
    const play = () => {
      const core = coreWith({ seed: 7 });
      const effects = [elect(core)];
      effects.push(core.step({ type: 'transferLeader', to: undefined }, core.nextDeadlineMs));
      effects.push(core.step({ type: 'peerDisconnected', peer: three }, core.nextDeadlineMs));
      effects.push(core.step({ type: 'tick' }, core.nextDeadlineMs));
      return JSON.stringify(effects);
    };
    expect(play()).toBe(play());
  });
});

describe('a log that lost what was durable', () => {
  const vote = (lastIndex: number, lastTerm: number): PeerMessage => ({
    type: 'voteRequest',
    term: term(9),
    lastIndex: logIndex(lastIndex),
    lastTerm: term(lastTerm),
    transfer: false,
  });
  const LATE = 10_000;

  test('votes as if it still had it', () => {
    // Without the floor the candidate would win, although entries 2 and 3 may be committed on this node and the third.
    expect(receive(coreWith({ term: 3, log: [1] }), two, vote(1, 1), LATE).sendAfterWrite).toMatchObject([{ to: two }]);
    for (const [index, value] of [
      [1, 1],
      [2, 2],
      [9, 1],
    ] as const) {
      const core = coreWith({ term: 3, log: [1], floor: [3, 2] });
      expect(receive(core, two, vote(index, value), LATE).send).toMatchObject([{ message: { type: 'voteRefused' } }]);
    }
    for (const [index, value] of [
      [3, 2],
      [4, 2],
      [1, 3],
    ] as const) {
      const core = coreWith({ term: 3, log: [1], floor: [3, 2] });
      expect(receive(core, two, vote(index, value), LATE).sendAfterWrite).toMatchObject([{ message: { type: 'voteGranted' } }]);
    }
  });

  test('gives no PreVote to a candidate behind it either', () => {
    const core = coreWith({ term: 3, log: [1], floor: [3, 2] });
    const ask = (lastIndex: number): PeerMessage => ({
      type: 'preVoteRequest',
      term: term(4),
      lastIndex: logIndex(lastIndex),
      lastTerm: term(2),
      deadLeader: undefined,
    });
    expect(receive(core, two, ask(2), LATE).send).toMatchObject([{ message: { granted: false } }]);
    expect(receive(core, two, ask(3), LATE).send).toMatchObject([{ message: { granted: true } }]);
  });

  test('stands for no election, not even when told to, until the log has come as far again', () => {
    const core = coreWith({ term: 3, log: [1], floor: [3, 2] });
    for (let round = 0; round < 5; round += 1) expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toEqual([]);
    const nowMs = core.nextDeadlineMs - 1;
    expect(receive(core, two, { type: 'timeoutNow', term: term(3) }, nowMs).write).toBeUndefined();
    receive(core, two, append(3, [1, 1], [entry(2, 2), entry(3, 2)]), nowMs);
    expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toMatchObject([
      { message: { type: 'preVoteRequest' } },
      { message: { type: 'preVoteRequest' } },
    ]);
  });
});

describe('a node that must not lead', () => {
  test('stands for no election, and may again when it is well', () => {
    const core = coreWith();
    core.step({ type: 'fitness', fitness: 'unfit' }, 0);
    for (let round = 0; round < 5; round += 1) expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toEqual([]);
    expect(receive(core, two, { type: 'timeoutNow', term: term(0) }, core.nextDeadlineMs - 1).write).toBeUndefined();
    core.step({ type: 'fitness', fitness: 'fit' }, core.nextDeadlineMs - 1);
    expect(core.step({ type: 'tick' }, core.nextDeadlineMs).send).toHaveLength(2);
  });

  test('hands over at once when it leads, to whoever has everything', () => {
    const core = coreWith();
    const won = elect(core);
    const nowMs = 2_000;
    written(core, won, nowMs);
    receive(core, two, { type: 'appendAccepted', term: core.status.term, request: 1, matchIndex: core.lastIndex }, nowMs);
    const effects = core.step({ type: 'fitness', fitness: 'unfit' }, nowMs);
    expect(effects.send).toEqual([{ to: two, message: { type: 'timeoutNow', term: core.status.term } }]);
  });

  test('steps down within the shorter election timeout when nobody takes over', () => {
    const core = coreWith();
    elect(core);
    const nowMs = 2_000;
    core.step({ type: 'fitness', fitness: 'unfit' }, nowMs);
    expect(core.status.role).toBe('leader');
    const justBeforeMs = nowMs + config.electionTimeoutMinMs - 1;
    receive(core, two, { type: 'heartbeatResponse', term: core.status.term, round: 1, fit: true }, justBeforeMs);
    core.step({ type: 'tick' }, justBeforeMs);
    expect(core.status.role).toBe('leader');
    expect(core.nextDeadlineMs).toBeLessThanOrEqual(nowMs + config.electionTimeoutMinMs);
    core.step({ type: 'tick' }, nowMs + config.electionTimeoutMinMs);
    expect(core.status.role).toBe('follower');
  });
});
