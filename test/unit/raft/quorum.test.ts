import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canReachQuorum, quorumSize, quorumValue } from '../../../src/raft/quorum.ts';

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

  test('an election is lost only when silence turned to consent would not win it', () => {
    expect(canReachQuorum(3, 1, 1)).toBe(true);
    expect(canReachQuorum(3, 1, 0)).toBe(false);
    expect(canReachQuorum(5, 2, 0)).toBe(false);
    expect(canReachQuorum(4, 2, 0)).toBe(false);
    expect(() => canReachQuorum(3, 3, 1)).toThrow('more answers');
  });
});
