import { describe, expect, it } from 'vitest';
import { checkRegistration } from '../../../src/router/check-registration.ts';
import { MAX_GROUPS, RouteTable } from '../../../src/router/route-table.ts';
import type { Catalogue } from '../../../src/rpc/generated/lograft/v1/Catalogue.ts';

const members = ['n1', 'n2', 'n3'].map((node) => ({ node, address: `${node}:1`, registered: false }));

function report(node: string, term: number, leader: boolean, catalogue: Catalogue | null = null) {
  return { node, address: `${node}:1`, groups: [{ group: 'g', term, leader, members }], catalogue };
}

const catalogue = (revision: number): Catalogue => ({
  revision,
  homeGroup: 'g',
  topics: [{ name: 't', id: 1, queueGroups: ['g', 'h'] }],
});

const group = (table: RouteTable) => table.route().groups[0];

describe('the route table', () => {
  it('takes a leader of a higher term, and no other', () => {
    const table = new RouteTable();
    expect(table.register(report('n1', 3, true))).toEqual([]);
    expect(group(table)).toMatchObject({ term: 3, leader: 'n1', leaderAddress: 'n1:1' });
    expect(table.register(report('n2', 2, true))).toMatchObject([{ node: 'n2', term: 2, knownTerm: 3, knownLeader: 'n1' }]);
    expect(table.register(report('n2', 3, true))).toMatchObject([{ node: 'n2', term: 3, knownLeader: 'n1' }]);
    expect(group(table)).toMatchObject({ term: 3, leader: 'n1' });
    expect(table.register(report('n2', 4, true))).toEqual([]);
    expect(group(table)).toMatchObject({ term: 4, leader: 'n2' });
  });

  it('refreshes the same leader in the same term', () => {
    const table = new RouteTable();
    table.register(report('n1', 3, true));
    const { revision } = table;
    table.register(report('n1', 3, true));
    expect(table.revision).toBe(revision);
  });

  it('takes the newest catalogue, whoever tells it, and forgets it with the last node', () => {
    const table = new RouteTable();
    table.register(report('n1', 3, true, catalogue(5)));
    table.register(report('n2', 3, false, catalogue(7)));
    const { revision } = table;
    table.register(report('n1', 3, true, catalogue(6)));
    table.register(report('n1', 3, true));
    expect(table.revision).toBe(revision);
    expect(table.route().catalogue?.revision).toBe(7);
    table.unregister('n1');
    expect(table.route().catalogue?.revision).toBe(7);
    table.unregister('n2');
    expect(table.route().catalogue).toBeNull();
    table.register(report('n1', 1, true, catalogue(1)));
    expect(table.route().catalogue?.revision).toBe(1);
  });

  it('names no leader when its registration ends, and keeps members', () => {
    const table = new RouteTable();
    table.register(report('n1', 3, true));
    table.register(report('n2', 3, false));
    expect(group(table)?.members.map(({ registered }) => registered)).toEqual([true, true, false]);
    table.unregister('n1');
    expect(group(table)).toMatchObject({ term: 3, leader: '', leaderAddress: '' });
    expect(group(table)?.members.map(({ registered }) => registered)).toEqual([false, true, false]);
    table.register(report('n2', 3, true));
    expect(group(table)?.leader).toBe('');
    table.register(report('n1', 3, true));
    expect(group(table)?.leader).toBe('n1');
  });

  it('names no leader when it says that it stepped down', () => {
    const table = new RouteTable();
    table.register(report('n1', 3, true));
    table.register(report('n2', 4, false));
    expect(group(table)?.leader).toBe('n1');
    table.register(report('n1', 3, false));
    expect(group(table)).toMatchObject({ term: 3, leader: '' });
  });

  it('shows members before anybody leads', () => {
    const table = new RouteTable();
    table.register(report('n2', 0, false));
    expect(group(table)).toMatchObject({ term: 0, leader: '' });
    expect(group(table)?.members.length).toBe(3);
  });

  it('believes a wiped group again once nobody of the old one is registered', () => {
    const table = new RouteTable();
    table.register(report('n1', 50, true));
    table.unregister('n1');
    expect(table.register(report('n2', 1, true))).toEqual([]);
    expect(group(table)).toMatchObject({ term: 1, leader: 'n2' });
  });

  it('grows its revision with changes only', () => {
    const table = new RouteTable();
    table.unregister('nobody');
    expect(table.revision).toBe(0);
    table.register(report('n1', 1, true));
    const route = table.route();
    table.register(report('n1', 1, true));
    expect(table.route()).toBe(route);
  });

  it('is bounded: deserted groups make room, others do not', () => {
    const table = new RouteTable();
    for (let at = 0; at < MAX_GROUPS; at += 1) {
      const groups = [{ group: `g${at}`, term: 1, leader: true, members }];
      table.register({ node: `n${at}`, address: 'n:1', groups, catalogue: null });
    }
    table.register(report('late', 1, true));
    expect(table.route().groups.length).toBe(MAX_GROUPS);
    expect(table.route().groups.some((one) => one.group === 'g')).toBe(false);
    table.unregister('n0');
    table.register(report('late', 1, true));
    expect(table.route().groups.some((one) => one.group === 'g')).toBe(true);
  });
});

describe('a registration', () => {
  it('must keep its limits', () => {
    const good = report('n1', 1, true);
    checkRegistration(good);
    const one = good.groups[0];
    const bad: object[] = [
      { node: '' },
      { address: 'nowhere' },
      { groups: [{ ...one, group: '' }] },
      { groups: [{ ...one, term: 0 }] },
      { groups: [one, one] },
      { groups: [{ ...one, members: Array(65).fill(members[0]) }] },
      { catalogue: { ...catalogue(1), homeGroup: '' } },
      { catalogue: { ...catalogue(1), topics: [{ name: '', id: 1, queueGroups: [] }] } },
      { catalogue: { ...catalogue(1), topics: [{ name: 't', id: 1, queueGroups: Array(1_025).fill('g') }] } },
    ];
    for (const change of bad)
      expect(() => checkRegistration({ ...good, ...change })).toThrow(/bad registration, nothing was changed/);
  });
});
