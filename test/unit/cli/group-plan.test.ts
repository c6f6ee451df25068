/** What comes next, for groups in every state that a command may find. */
import { describe, expect, it } from 'vitest';
import { addPlan } from '../../../src/cli/group/add-member.ts';
import { noteOn, whoVotes } from '../../../src/cli/group/change.ts';
import type { Plan } from '../../../src/cli/group/plan.ts';
import { removePlan } from '../../../src/cli/group/remove-member.ts';
import { replacePlan } from '../../../src/cli/group/replace-member.ts';
import { type GroupState, standing, votersOf } from '../../../src/cli/group/state.ts';
import type { MemberStatus } from '../../../src/rpc/generated/lograft/v1/MemberStatus.ts';

const FLAGS = { router: ['127.0.0.1:8080'], timeout: 1 };
const AT = 'host:4';

/** `n1` votes, `n1-` votes and is silent, `n4?` learns, `n4+` has caught up, `n1!` leaves. */
function group(members: string, settled = true): GroupState {
  const status = (text: string): MemberStatus => {
    const [, node = '', mark] = /^(\w+)(.?)$/.exec(text) ?? [];
    const learns = mark === '?' || mark === '+';
    return {
      node,
      address: node === 'n4' ? AT : `host:${node.slice(1)}`,
      voter: !learns,
      leaving: mark === '!',
      caughtUp: mark !== '?',
      reachable: mark !== '-',
      disk: node,
      matchIndex: 0,
      lag: 0,
    };
  };
  return { group: 'g1', leader: 'n1', settled, members: members.split(' ').map(status) };
}

const added = [{ addLearners: [{ node: 'n4', address: AT }] }];
const add = (flags: { learner?: boolean; address?: string } = {}): Plan => addPlan('n4', { ...FLAGS, address: AT, ...flags });
const replace = (flags: { with?: string; address?: string }): Plan => replacePlan('n3', { ...FLAGS, ...flags });
const byN4 = { with: 'n4', address: AT };

describe('add-member', () => {
  it('adds a learner, waits until it has the log, and gives it a vote', () => {
    expect(add().next(group('n1 n2 n3'), [])).toMatchObject({ type: 'change', change: added[0] });
    expect(add().next(group('n1 n2 n3 n4?'), added)).toEqual({ type: 'catchUp', node: 'n4' });
    expect(add().next(group('n1 n2 n3 n4+'), added)).toMatchObject({ type: 'change', change: { promote: ['n4'], remove: [] } });
    expect(add().next(group('n1 n2 n3 n4', false), added)).toMatchObject({ type: 'wait' });
    expect(add().next(group('n1 n2 n3 n4'), added)).toEqual({ type: 'done' });
  });

  it('asks again to meet a learner that is there already, once: its disk may be another by now', () => {
    expect(add().next(group('n1 n2 n3 n4+'), [])).toMatchObject({ type: 'change', change: added[0] });
  });

  it('adds again what a lost leader took with it', () => {
    expect(add().next(group('n1 n2 n3'), added)).toMatchObject({ type: 'change', change: added[0] });
  });

  it('waits for any other change', () => expect(add().next(group('n1 n2 n3!', false), [])).toMatchObject({ type: 'wait' }));

  it('leaves a voter alone, and moves one to another address', () => {
    expect(add().next(group('n1 n2 n3 n4'), [])).toEqual({ type: 'done' });
    expect(add({ address: 'new:1' }).next(group('n1 n2 n3 n4'), [])).toMatchObject({
      change: { addLearners: [{ node: 'n4', address: 'new:1' }] },
    });
  });

  it('stops before the vote with --learner', () => {
    expect(add({ learner: true }).next(group('n1 n4?'), added)).toMatchObject({ type: 'catchUp' });
    expect(add({ learner: true }).next(group('n1 n4+'), added)).toEqual({ type: 'done' });
    expect(() => add({ learner: true }).next(group('n1 n4'), [])).toThrow(/votes in g1 already. Nothing was changed/);
  });

  it('gives no vote that would leave the group without a majority', () => {
    const step = add().next(group('n1 n2- n3- n4+'), added);
    expect(step).toMatchObject({ type: 'blocked', why: expect.stringMatching(/2 can be reached and 3 are needed: start n2, n3/) });
  });

  it('knows how to go on', () => {
    expect(add({ learner: true }).resume()).toBe('lograft group add-member n4 --address host:4 --learner');
    const elsewhere = addPlan('n4', { router: ['r:1', 'r:2'], timeout: 1, group: 'g2', address: AT });
    expect(elsewhere.resume()).toBe('lograft group add-member n4 --address host:4 --group g2 --router r:1,r:2');
  });
});

describe('remove-member', () => {
  const remove = (node: string): Plan => removePlan(node, FLAGS);

  it('removes, and is done when the node is gone', () => {
    expect(remove('n4').next(group('n1 n2 n3 n4'), [])).toEqual({ type: 'change', change: { remove: ['n4'] }, what: 'n4 leaves' });
    expect(remove('n4').next(group('n1 n2 n3 n4!', false), [])).toMatchObject({ type: 'wait' });
    expect(remove('n4').next(group('n1 n2 n3'), [])).toEqual({ type: 'done' });
  });

  it('warns when the rest tolerates no failure, but not for a learner', () => {
    const warning = expect.stringMatching(/n1, n2 alone: when one of them fails/);
    expect(remove('n3').next(group('n1 n2 n3'), [])).toMatchObject({ type: 'change', warning });
    expect(remove('n2').next(group('n1 n2'), [])).toMatchObject({ warning: expect.stringMatching(/n1 alone: when it fails/) });
    expect(remove('n4').next(group('n1 n4?'), [])).not.toHaveProperty('warning');
  });

  it('refuses to remove the last voter', () => {
    expect(() => remove('n1').next(group('n1 n4+'), [])).toThrow(/n1 is the last voter of g1. Nothing was changed/);
  });

  it('does not begin what could never be committed', () => {
    expect(remove('n1').next(group('n1 n2 n3-'), [])).toMatchObject({ type: 'blocked', why: expect.stringMatching(/start n3$/) });
  });
});

describe('replace-member --with', () => {
  it('promotes the new and removes the old in one step', () => {
    expect(replace(byN4).next(group('n1 n2 n3'), [])).toMatchObject({ change: added[0] });
    expect(replace(byN4).next(group('n1 n2 n3 n4?'), added)).toEqual({ type: 'catchUp', node: 'n4' });
    const step = replace(byN4).next(group('n1 n2 n3- n4+'), added);
    expect(step).toMatchObject({ type: 'change', change: { promote: ['n4'], remove: ['n3'] } });
    expect(replace(byN4).next(group('n1 n2 n3! n4', false), added)).toMatchObject({ type: 'wait' });
    expect(replace(byN4).next(group('n1 n2 n4'), added)).toEqual({ type: 'done' });
  });

  it('goes on when the old one has left meanwhile', () => {
    expect(replace(byN4).next(group('n1 n2 n4+'), added)).toMatchObject({ change: { promote: ['n4'], remove: [] } });
  });

  it('refuses what is no replacement', () => {
    expect(() => replace(byN4).next(group('n1 n2 n3 n4'), [])).toThrow(/n4 votes already, beside n3/);
    expect(() => replace(byN4).next(group('n1 n2'), [])).toThrow(/n3 is no member of g1 \(there are: n1, n2\)/);
    expect(() => replace(byN4).next(group('n1 n2 n3?'), [])).toThrow(/n3 is a learner/);
    expect(() => replace({ with: 'n4' })).toThrow(/where is n4\? Say it with --address/);
    expect(() => replace({ with: 'n3', address: AT })).toThrow(/leave --with out/);
  });
});

describe('replace-member of a wiped disk', () => {
  const back = { addLearners: [{ node: 'n3', address: 'host:3' }] };

  it('removes a voter only when the leader says that it has another disk', () => {
    const step = replace({}).next(group('n1 n2 n3'), []);
    expect(step).toMatchObject({ type: 'change', change: back });
    if (step.type !== 'change') return;
    expect(step.ifRefused).toMatchObject({ reason: 'OTHER_DISK', step: { type: 'change', change: { remove: ['n3'] } } });
  });

  it('does not remove it while the others are no majority by themselves', () => {
    const step = replace({}).next(group('n1 n2- n3'), []);
    expect(step).toMatchObject({ ifRefused: { step: { type: 'blocked' } } });
  });

  it('brings it back by the address that it had, as a learner and then with a vote', () => {
    const plan = replace({});
    plan.next(group('n1 n2 n3'), []);
    expect(plan.next(group('n1 n2'), [{ remove: ['n3'] }])).toMatchObject({ change: back });
    expect(plan.resume()).toBe('lograft group replace-member n3 --address host:3');
    expect(plan.next(group('n1 n2 n3?'), [back])).toEqual({ type: 'catchUp', node: 'n3' });
    expect(plan.next(group('n1 n2 n3+'), [back])).toMatchObject({ change: { promote: ['n3'], remove: [] } });
    // Not caught up for the moment: no reason to begin anew.
    expect(plan.next(group('n1 n2 n3'), [back])).toEqual({ type: 'done' });
  });

  it('asks for the address when nobody knows it any more', () => {
    expect(() => replace({}).next(group('n1 n2'), [])).toThrow(/n3 is no member of g1. Nothing was changed.*--address/);
    expect(replace({ address: 'host:3' }).next(group('n1 n2'), [])).toMatchObject({ change: back });
  });
});

describe('the line at the end', () => {
  it('says who votes and who learns', () => {
    expect(whoVotes(group('n1 n2 n3! n4?'))).toBe('group g1: voters n1, n2; learners n4');
    expect(whoVotes(group('n1'))).toBe('group g1: voters n1');
    expect(votersOf(group('n1 n2! n4+'))).toEqual(['n1']);
  });

  it('has a note for an even number of voters', () => {
    expect([1, 3, 5].map(noteOn)).toEqual([undefined, undefined, undefined]);
    expect(noteOn(2)).toBe('note: 2 voters tolerate no failure, no more than 1 would');
    expect(noteOn(4)).toBe('note: 4 voters tolerate one failure, no more than 3 would');
  });

  it('knows what a node is', () => {
    const state = group('n1 n2! n4?');
    expect(standing(state, 'n1')).toBe('n1 votes in g1');
    expect(standing(state, 'n2')).toBe('n2 is leaving g1');
    expect(standing(state, 'n4')).toMatch(/n4 is a learner of g1/);
    expect(standing(state, 'n9')).toBe('n9 is no member of g1');
  });
});
