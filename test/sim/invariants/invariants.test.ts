/** The checkers themselves: each is shown the thing it must catch, and the nearest thing that is allowed. */
import { describe, expect, it } from 'vitest';
import { NO_CONFIGURATION } from '../../../src/raft/configuration.ts';
import type { Effects } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import {
  type Entry,
  FIRST_APPLICATION_KIND,
  type LogPosition,
  logIndex,
  type NodeId,
  nodeId,
  type RestoredLog,
  term,
  type WriteSequence,
  type WriteUnit,
} from '../../../src/raft/types.ts';
import { Committed } from '../cluster/committed.ts';
import { NodeHistory, printOf } from '../cluster/node-history.ts';
import { Oracle } from '../oracle/oracle.ts';
import { AcknowledgedIsDurable } from './acknowledged-is-durable.ts';
import { CommittedNeverChanges } from './committed-never-changes.ts';
import { ElectionSafety } from './election-safety.ts';
import { LeaderCompleteness } from './leader-completeness.ts';
import { LogMatching } from './log-matching.ts';
import { Monotone } from './monotone.ts';
import { NoTruncationBelowCommit } from './no-truncation-below-commit.ts';
import { OneVotePerTerm } from './one-vote-per-term.ts';
import { StateMachineSafety } from './state-machine-safety.ts';

const TICK: Input = { type: 'tick' };
const A = nodeId('a');
const B = nodeId('b');
const C = nodeId('c');

function effects(changes: Partial<Effects>): Effects {
  return {
    write: undefined,
    send: [],
    sendAfterWrite: [],
    replicate: [],
    commitIndex: undefined,
    status: undefined,
    proposed: undefined,
    membership: undefined,
    reads: [],
    fetchSnapshot: undefined,
    ...changes,
  };
}

const leads = (inTerm: number, id: NodeId): Effects =>
  effects({ status: { role: 'leader', term: term(inTerm), leader: id, configuration: NO_CONFIGURATION } });
const commits = (index: number): Effects => effects({ commitIndex: logIndex(index) });

function entry(index: number, inTerm: number, text = `${index}`): Entry {
  return { index: logIndex(index), term: term(inTerm), kind: FIRST_APPLICATION_KIND, payload: Buffer.from(text) };
}

function unit(
  sequence: number,
  inTerm: number,
  entries: readonly Entry[],
  more: { truncate?: boolean; vote?: NodeId } = {},
): WriteUnit {
  return {
    sequence: sequence as WriteSequence,
    hardState: { term: term(inTerm), vote: more.vote },
    reset: undefined,
    truncateFrom: more.truncate ? entries[0]?.index : undefined,
    entries,
  };
}

/** A node with these units, all or the first `durable` of them on its disk. */
function node(id: NodeId, units: readonly WriteUnit[], durable = units.length): NodeHistory {
  const history = new NodeHistory(id);
  for (const taken of units) history.take(taken);
  history.written(durable);
  history.running = true;
  history.term = units.at(-1)?.hardState.term ?? term(0);
  return history;
}

const granted = (inTerm: number): PeerMessage => ({ type: 'voteGranted', term: term(inTerm) });
const accepted = (matchIndex: number, inTerm = 1): PeerMessage => ({
  type: 'appendAccepted',
  term: term(inTerm),
  request: 1,
  matchIndex: logIndex(matchIndex),
});

describe('Election Safety', () => {
  it('allows a leader in each term, not two in one', () => {
    const safety = new ElectionSafety();
    safety.stepped(node(A, []), TICK, leads(1, A));
    safety.stepped(node(B, []), TICK, leads(2, B));
    expect(() => safety.stepped(node(B, []), TICK, leads(1, B))).toThrow(/Election Safety: term 1 has two leaders, a and b/);
  });
});

describe('One Vote Per Term', () => {
  it('allows to repeat a vote, not to change it', () => {
    const votes = new OneVotePerTerm();
    const voter = node(A, [unit(1, 3, [], { vote: B })]);
    votes.sent(voter, B, granted(3));
    votes.sent(voter, B, granted(3));
    expect(() => votes.sent(voter, C, granted(3))).toThrow(/a voted in term 3 for b and c/);
  });

  it('sees a vote that is told before it is durable', () => {
    expect(() => new OneVotePerTerm().sent(node(A, [unit(1, 3, [], { vote: B })], 0), B, granted(3))).toThrow(
      /before it is durable/,
    );
  });
});

describe('Log Matching', () => {
  it('sees another entry under the same index and term', () => {
    const matching = new LogMatching();
    matching.writing(node(A, []), unit(1, 1, [entry(1, 1, 'x')]));
    matching.writing(node(B, []), unit(1, 1, [entry(1, 1, 'x')]));
    expect(() => matching.writing(node(C, []), unit(1, 1, [entry(1, 1, 'y')]))).toThrow(
      /Log Matching: c writes another entry 1 of term 1/,
    );
  });

  it('sees the same entry after another one', () => {
    const matching = new LogMatching();
    matching.writing(node(A, []), unit(1, 2, [entry(1, 1), entry(2, 2)]));
    expect(() => matching.writing(node(B, []), unit(1, 2, [entry(1, 2), entry(2, 2)]))).toThrow(
      /after one of term 2, others after one of 1/,
    );
  });
});

describe('Leader Completeness', () => {
  it('wants what was committed in former terms, not in later ones', () => {
    const committed = new Committed();
    committed.add(printOf(entry(1, 1)), term(1));
    const completeness = new LeaderCompleteness(committed);
    completeness.stepped(node(A, [unit(1, 1, [entry(1, 1)])]), TICK, leads(2, A));
    completeness.stepped(node(B, []), TICK, leads(1, B));
    expect(() => completeness.stepped(node(B, []), TICK, leads(2, B))).toThrow(/b leads term 2 without entry 1/);
  });
});

describe('Committed Never Changes', () => {
  const setting = () => {
    const nodes = new Map([
      [A, node(A, [unit(1, 1, [entry(1, 1)]), unit(2, 1, [entry(2, 1)])])],
      [B, node(B, [unit(1, 1, [entry(1, 1)]), unit(2, 1, [entry(2, 1)])], 1)],
      [C, node(C, [unit(1, 2, [entry(1, 2, 'other')])])],
    ]);
    const committed = new Committed();
    return { nodes, committed, invariant: new CommittedNeverChanges(committed, nodes, () => [[A, B, C]]) };
  };
  const of = (nodes: ReadonlyMap<NodeId, NodeHistory>, id: NodeId): NodeHistory => nodes.get(id) as NodeHistory;

  it('wants a quorum of disks, not of memories', () => {
    const { nodes, invariant } = setting();
    invariant.stepped(of(nodes, A), TICK, commits(1));
    of(nodes, A).commitIndex = logIndex(1);
    expect(() => invariant.stepped(of(nodes, A), TICK, commits(2))).toThrow(
      /entry 2 of term 1 is committed but durable on a alone/,
    );
  });

  it('wants a quorum of each set of voters', () => {
    const { nodes, committed } = setting();
    const joint = new CommittedNeverChanges(committed, nodes, () => [
      [A, B],
      [A, C],
    ]);
    expect(() => joint.stepped(of(nodes, A), TICK, commits(1))).toThrow(/durable on a alone, of a, c/);
  });

  it('sees a second value', () => {
    const { nodes, invariant } = setting();
    invariant.stepped(of(nodes, A), TICK, commits(1));
    expect(() => invariant.stepped(of(nodes, C), TICK, commits(1))).toThrow(/was committed with term 1, now c commits it with 2/);
  });
});

describe('State Machine Safety', () => {
  it('sees what is applied before it is committed, another entry, and another result', () => {
    const committed = new Committed();
    const safety = new StateMachineSafety(committed);
    const applier = node(A, []);
    const first = entry(1, 1);
    expect(() => safety.applied(applier, first, printOf(first), 0)).toThrow(/applies entry 1, committed up to 0/);
    committed.add(printOf(first), term(1));
    applier.commitIndex = logIndex(1);
    safety.applied(applier, first, printOf(first), { type: 'appended', baseOffset: 4 });
    const other = entry(1, 1, 'other');
    expect(() => safety.applied(applier, other, printOf(other), 0)).toThrow(/applies another entry 1/);
    expect(() => safety.applied(applier, first, printOf(first), { type: 'appended', baseOffset: 5 })).toThrow(
      /gives .*5.*, gave .*4/,
    );
  });
});

describe('Monotone', () => {
  it('sees a commit index or a term that falls, and a gap in what is applied', () => {
    const monotone = new Monotone();
    const one = node(A, [unit(1, 4, [])]);
    one.commitIndex = logIndex(7);
    expect(() => monotone.stepped(one, TICK, commits(6))).toThrow(/Monotone Commit/);
    expect(() => monotone.stepped(one, TICK, leads(3, A))).toThrow(/Monotone Term/);
    expect(() => monotone.writing(one, unit(2, 3, []))).toThrow(/writes term 3 after 4 was durable/);
    monotone.applied(one, entry(5, 1), printOf(entry(5, 1)));
    expect(() => monotone.applied(one, entry(7, 1), printOf(entry(7, 1)))).toThrow(/applies entry 7 after 5/);
  });
});

describe('No Truncation Below Commit', () => {
  it('sees a node replace what it knew to be committed, and what others committed', () => {
    const committed = new Committed();
    const invariant = new NoTruncationBelowCommit(committed);
    const one = node(A, [unit(1, 1, [entry(1, 1), entry(2, 1)])]);
    invariant.stepped(one, TICK, effects({ write: unit(2, 2, [entry(2, 2)], { truncate: true }) }));
    one.commitIndex = logIndex(1);
    const truncates = (index: number) => () =>
      invariant.stepped(one, TICK, effects({ write: unit(2, 2, [entry(index, 2)], { truncate: true }) }));
    expect(truncates(1)).toThrow(/truncates from 1, had committed up to 1/);
    committed.add(printOf(entry(1, 1)), term(1));
    committed.add(printOf(entry(2, 1)), term(1));
    expect(truncates(2)).toThrow(/which is committed/);
  });
});

describe('Acknowledged Is Durable', () => {
  it('sees an acknowledgement of what is on its way only', () => {
    const invariant = new AcknowledgedIsDurable();
    const one = node(A, [unit(1, 1, [entry(1, 1)]), unit(2, 1, [entry(2, 1)])], 1);
    invariant.sent(one, B, accepted(1));
    expect(() => invariant.sent(one, B, accepted(2))).toThrow(/a acknowledges up to 2, durable is 1/);
  });

  it('sees that the disk holds another entry than the one acknowledged', () => {
    const one = node(A, [unit(1, 1, [entry(1, 1)]), unit(2, 2, [entry(1, 2, 'new')], { truncate: true })], 1);
    expect(() => new AcknowledgedIsDurable().sent(one, B, accepted(1, 2))).toThrow(/of which the disk holds another/);
  });
});

describe('Durable Log Survives', () => {
  const restored = (lastIndex: number, inTerm: number, floor?: LogPosition): RestoredLog => ({
    hardState: { term: term(inTerm), vote: undefined },
    base: { index: logIndex(0), term: term(0), configuration: undefined },
    lastIndex: logIndex(lastIndex),
    termRuns: lastIndex === 0 ? [] : [{ term: term(1), firstIndex: logIndex(1) }],
    configurations: [],
    floor,
  });

  it('takes what was durable and any first units of what was not, nothing less and nothing else', () => {
    const units = [unit(1, 1, [entry(1, 1)]), unit(2, 1, [entry(2, 1)]), unit(3, 1, [entry(3, 1)])];
    const outcome = (lastIndex: number, inTerm = 1): boolean => {
      const history = node(A, units, 2);
      history.ended();
      return history.opened(restored(lastIndex, inTerm));
    };
    expect([1, 2, 3, 4].map((lastIndex) => outcome(lastIndex))).toEqual([false, true, true, false]);
    expect(outcome(2, 0)).toBe(false);
  });

  it('takes less when the log says what it lacks, and goes on counting that as held', () => {
    const units = [unit(1, 1, [entry(1, 1)]), unit(2, 1, [entry(2, 1)])];
    const opened = (floor: LogPosition | undefined): [boolean, boolean, boolean] => {
      const history = node(A, units, 2);
      history.ended();
      return [history.opened(restored(1, 1, floor)), history.holds(2, 1), history.isShort];
    };
    expect(opened(undefined)[0]).toBe(false);
    expect(opened({ index: logIndex(1), term: term(1) })[0]).toBe(false);
    expect(opened({ index: logIndex(2), term: term(1) })).toEqual([true, true, true]);
  });

  it('are, where the unit that replaced their end is what a disk lost, what they were before that', () => {
    const opened = (lastIndex: number, inTerm: number, floor: LogPosition | undefined): boolean => {
      const history = new NodeHistory(A);
      history.take(unit(1, 1, [entry(1, 1), entry(2, 1), entry(3, 1)]));
      history.take(unit(2, 2, [entry(2, 2)], { truncate: true }));
      history.written(2);
      history.ended();
      return history.opened({ ...restored(lastIndex, 2, floor), termRuns: [{ term: term(inTerm), firstIndex: logIndex(1) }] });
    };
    const floor = { index: logIndex(2), term: term(2) };
    expect(opened(3, 1, floor)).toBe(true);
    expect(opened(3, 1, undefined)).toBe(false);
    expect(opened(3, 2, floor)).toBe(false);
    expect(opened(4, 1, floor)).toBe(false);
  });
});

describe('Linearizable Reads', () => {
  it('sees a node that does not know of everything acknowledged before the question', () => {
    const oracle = new Oracle();
    oracle.acknowledged(oracle.sending('p', 0), { queue: 0, offset: 0 });
    oracle.sawEnd('n1', 0, oracle.knownEnd(0), 1);
    expect(() => oracle.sawEnd('n2', 0, oracle.knownEnd(0), 0)).toThrow(/n2 says that queue 0 ends at 0, it was at 1/);
  });
});
