import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { configurationValue, isQuorum, quorumSize, quorumValue } from '../../../src/raft/quorum.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import { voterIds } from './shell.ts';

/** All subsets of `voters`, as lists of positions. */
function subsets(voters: number): number[][] {
  return Array.from({ length: 2 ** voters }, (_, bits) =>
    Array.from({ length: voters }, (_unused, position) => position).filter((position) => bits & (1 << position)),
  );
}

describe('quorum', () => {
  test.each([1, 2, 3, 4, 5, 6, 7])('any two quorums of %i voters share a voter, and no smaller set has that', (voters) => {
    const quorums = subsets(voters).filter((set) => set.length >= quorumSize(voters));
    for (const one of quorums) {
      for (const other of quorums) expect(one.some((voter) => other.includes(voter))).toBe(true);
    }
    const smaller = subsets(voters).filter((set) => set.length === quorumSize(voters) - 1);
    const disjoint = smaller.some((one) => smaller.some((other) => !one.some((voter) => other.includes(voter))));
    expect(disjoint).toBe(true);
  });

  test('the quorum value is the largest that enough voters have reached: counted one by one', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 7 }), (values) => {
        let best = -1;
        for (let candidate = 0; candidate <= 12; candidate += 1) {
          const reached = values.filter((value) => value >= candidate).length;
          if (reached * 2 > values.length) best = candidate;
        }
        expect(quorumValue(values)).toBe(best);
      }),
    );
  });

  test('the order of voters does not matter, nor is it changed', () => {
    const values = [5, 1, 4, 2, 3];
    expect(quorumValue(values)).toBe(3);
    expect(values).toEqual([5, 1, 4, 2, 3]);
  });

  test('a joint configuration needs a quorum of each set: counted one by one', () => {
    const ids = voterIds(7);
    const set = fc.subarray([...ids], { minLength: 1, maxLength: 5 });
    const values = fc.array(fc.nat(9), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(set, fc.oneof(fc.constant([]), set), values, (voters, outgoing, reached) => {
        const reachedBy = (id: NodeId): number => reached[ids.indexOf(id)] as number;
        const most = (of: readonly NodeId[], value: number): boolean =>
          of.length === 0 || of.filter((id) => reachedBy(id) >= value).length * 2 > of.length;
        const best = Math.max(...[...Array(10).keys()].filter((value) => most(voters, value) && most(outgoing, value)));
        const configuration = { members: [], voters, outgoing };
        expect(configurationValue(configuration, reachedBy)).toBe(best);
        for (const value of Array(10).keys()) expect(isQuorum(configuration, (id) => reachedBy(id) >= value)).toBe(value <= best);
      }),
    );
  });

  test('a quorum of a joint configuration meets every quorum of both simple ones', () => {
    const [old, next] = [voterIds(3), voterIds(5).slice(2)];
    for (const both of subsets(5)) {
      const has = (id: NodeId): boolean => both.includes(Number(id) - 1);
      if (!isQuorum({ members: [], voters: next, outgoing: old }, has)) continue;
      expect(isQuorum({ members: [], voters: next, outgoing: [] }, has)).toBe(true);
      expect(isQuorum({ members: [], voters: old, outgoing: [] }, has)).toBe(true);
    }
  });

  test('nobody is a quorum of a group that is not known', () => {
    expect(isQuorum({ members: [], voters: [], outgoing: [] }, () => true)).toBe(false);
  });
});
