import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeGroups } from '../../../src/broker/placement.ts';

const nodes = (count: number) => Array.from({ length: count }, (_, at) => ({ id: `n${at + 1}`, address: `n${at + 1}:1` }));
const settings = { group: 'g1', members: nodes(5), replicaGroups: 3, replicaFactor: 3, preferredLeader: '' };
const names = (groups: ReturnType<typeof placeGroups>) => groups.map(({ members }) => members.map(({ id }) => id).join(' '));

describe('the placement of groups', () => {
  it('begins each group one node further', () => {
    const groups = placeGroups(settings);
    expect(groups.map(({ name }) => name)).toEqual(['g1', 'g2', 'g3']);
    expect(names(groups)).toEqual(['n1 n2 n3', 'n2 n3 n4', 'n3 n4 n5']);
    expect(groups.map(({ preferredLeader }) => preferredLeader)).toEqual(['n1', 'n2', 'n3']);
  });

  it('has one group on all members by default, which is led by whoever wins unless somebody is preferred', () => {
    const one = { ...settings, replicaGroups: 1, replicaFactor: 0 };
    expect(names(placeGroups(one))).toEqual(['n1 n2 n3 n4 n5']);
    expect(placeGroups(one)[0]?.preferredLeader).toBe('');
    expect(placeGroups({ ...one, preferredLeader: 'n4' })[0]?.preferredLeader).toBe('n4');
  });

  it('counts names on from the first', () => {
    const called = (group: string) => placeGroups({ ...settings, group }).map(({ name }) => name);
    expect(called('orders')).toEqual(['orders', 'orders-2', 'orders-3']);
    expect(called('rack9')).toEqual(['rack9', 'rack10', 'rack11']);
  });

  it('spreads replicas and leaders evenly, whatever the numbers', () => {
    const anything = fc.record({
      count: fc.integer({ min: 1, max: 20 }),
      replicaGroups: fc.integer({ min: 2, max: 60 }),
      replicaFactor: fc.constantFrom(1, 3, 5, 7),
    });
    fc.assert(
      fc.property(anything, ({ count, replicaGroups, replicaFactor }) => {
        fc.pre(replicaFactor <= count);
        const groups = placeGroups({ ...settings, members: nodes(count), replicaGroups, replicaFactor });
        expect(new Set(groups.map(({ name }) => name)).size).toBe(replicaGroups);
        for (const { members } of groups) expect(new Set(members).size).toBe(replicaFactor);
        const spread = (held: (node: string) => number): number => {
          const counts = nodes(count).map(({ id }) => held(id));
          return Math.max(...counts) - Math.min(...counts);
        };
        expect(spread((node) => groups.filter(({ preferredLeader }) => preferredLeader === node).length)).toBeLessThanOrEqual(1);
        const replicas = (node: string) => groups.filter(({ members }) => members.some(({ id }) => id === node)).length;
        expect(spread(replicas)).toBeLessThanOrEqual(replicaFactor);
      }),
    );
  });
});
