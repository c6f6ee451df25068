import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { chooseGroup } from '../../../src/cli/group/choice.ts';
import { renderStatus } from '../../../src/cli/status-render.ts';
import { type ClusterStatus, toStatusView } from '../../../src/cli/status-view.ts';
import { coloursFor } from '../../../src/cli/terminal.ts';
import type { GroupStatus } from '../../../src/rpc/generated/lograft/v1/GroupStatus.ts';
import type { MemberStatus } from '../../../src/rpc/generated/lograft/v1/MemberStatus.ts';

const ADDRESSES = { n1: '127.0.0.1:8081', n2: '127.0.0.1:8082', n3: '127.0.0.1:8083' };

function memberStatus(node: string, address: string, more: Partial<MemberStatus> = {}): MemberStatus {
  const standing = { voter: true, leaving: false, caughtUp: true, disk: `disk of ${node}` };
  return { node, address, reachable: true, matchIndex: 0, lag: 0, ...standing, ...more };
}

function answer(
  node: keyof typeof ADDRESSES,
  role: 1 | 2 | 3 | 4,
  term: number,
  lastIndex: number,
  more: Partial<GroupStatus> = {},
): ClusterStatus['nodes'][number] {
  const members = Object.entries(ADDRESSES).map(([id, address]) => memberStatus(id, address));
  const indexes = {
    firstIndex: 1,
    lastIndex,
    durableIndex: lastIndex,
    commitIndex: lastIndex - 1,
    appliedIndex: lastIndex - 2,
    damagedEntries: 0,
    repairedEntries: 0,
  };
  const group = {
    group: 'g1',
    role,
    term,
    leader: 'n2',
    ...indexes,
    members,
    writable: true,
    settled: true,
    unfitBecause: '',
    ...more,
  };
  const address = ADDRESSES[node];
  const facts = { joining: [], homeGroup: 'g1', catalogueRevision: 1 };
  return { node, address, reachable: true, status: { node, address, version: '0.1.0', uptimeMs: 1, groups: [group], ...facts } };
}

const FIXTURE: ClusterStatus = {
  nodes: [
    answer('n1', 1, 7, 400, { writable: false }),
    answer('n2', 4, 7, 1_000),
    { node: 'n3', address: ADDRESSES.n3, reachable: false, error: new Error('127.0.0.1:8083: connection refused') },
  ],
  route: {
    groups: [
      {
        group: 'g1',
        term: 7,
        leader: 'n2',
        leaderAddress: ADDRESSES.n2,
        members: Object.entries(ADDRESSES).map(([node, address]) => ({ node, address, registered: node !== 'n3' })),
      },
    ],
  },
};

const PLAIN = `group g1  leader n2 (127.0.0.1:8082)  term 7
NODE  ADDRESS         STATE        MEMBER  ROLE      TERM  LAST  COMMIT  APPLIED  LAG
n1    127.0.0.1:8081  disk-full    voter   follower  7     400   399     398      600
n2    127.0.0.1:8082  up           voter   leader    7     1000  999     998      0
n3    127.0.0.1:8083  unreachable  voter   -         -     -     -       -        -
n3: 127.0.0.1:8083: connection refused
`;

describe('status', () => {
  it('brings together what the nodes say', () => {
    const [group] = toStatusView(FIXTURE).groups;
    expect(group).toMatchObject({ group: 'g1', term: 7, leader: 'n2', leaderAddress: '127.0.0.1:8082' });
    expect(group?.members[0]).toMatchObject({
      node: 'n1',
      reachable: true,
      role: 'follower',
      term: 7,
      appliedIndex: 398,
      lag: 600,
    });
    expect(group?.members[2]).toMatchObject({ node: 'n3', reachable: false, error: '127.0.0.1:8083: connection refused' });
  });

  it('believes the higher term when two call themselves leader, and none that a higher term deposed', () => {
    const view = toStatusView({ ...FIXTURE, nodes: [answer('n1', 4, 6, 50), answer('n2', 4, 7, 60)] });
    expect(view.groups[0]?.leader).toBe('n2');
    const between = toStatusView({ ...FIXTURE, nodes: [answer('n2', 4, 7, 60), answer('n1', 3, 8, 60)] });
    expect(between.groups[0]).toMatchObject({ leader: '', term: 8 });
  });

  it('names no leader that does not say so itself', () => {
    const view = toStatusView({ ...FIXTURE, nodes: [answer('n1', 2, 7, 50)] });
    expect(view.groups[0]).toMatchObject({ leader: '', leaderAddress: '' });
    expect(view.groups[0]?.members[0]).not.toHaveProperty('lag');
    expect(renderStatus(view, { framed: false, colours: coloursFor({}) })).toMatch(/no leader/);
  });

  it('tells who votes, learns and leaves, and what a disk has damaged', () => {
    const members = [
      memberStatus('n1', ADDRESSES.n1, { leaving: true }),
      memberStatus('n2', ADDRESSES.n2),
      memberStatus('n4', '127.0.0.1:8084', { voter: false, caughtUp: false }),
    ];
    const trouble = { damagedEntries: 3, repairedEntries: 1, unfitBecause: 'its disk has damaged entries' };
    const view = toStatusView({
      ...FIXTURE,
      nodes: [answer('n1', 1, 7, 1_000, trouble), answer('n2', 4, 7, 1_000, { members, settled: false, firstIndex: 500 })],
    });
    const [group] = view.groups;
    expect(group?.settled).toBe(false);
    // The leader knows that n3 belongs to the group no more, whatever n1 and the router still think.
    expect(group?.members).toMatchObject([
      { node: 'n1', voter: true, leaving: true, caughtUp: true, ...trouble },
      { node: 'n2', voter: true, leaving: false, firstIndex: 500, damagedEntries: 0, unfitBecause: '' },
      { node: 'n4', voter: false, caughtUp: false, reachable: false },
    ]);
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);
    const text = renderStatus(view, { framed: false, colours: coloursFor({}) });
    expect(text).toMatch(/term 7 {2}changing members\n/);
    expect(text).toMatch(/^n1 .* leaving /m);
    expect(text).toMatch(/^n4 .* unreachable {2}learner /m);
    expect(text).toMatch(/^n1: 3 damaged entries, being fetched from other members$/m);
    expect(text).toMatch(/^n1: 1 damaged entry fetched from other members since it started$/m);
    expect(text).toMatch(/^n1 would not lead: its disk has damaged entries$/m);
    const coloured = renderStatus(view, { framed: false, colours: coloursFor({ isTTY: true }, {}) });
    expect(coloured).toContain('\u001b[31mn1: 3 damaged entries, being fetched from other members\u001b[39m');
  });

  it('is aligned lines without colour in a pipe', () => {
    expect(renderStatus(toStatusView(FIXTURE), { framed: false, colours: coloursFor({ isTTY: false }) })).toBe(PLAIN);
  });

  it('is a coloured table on a terminal', () => {
    const text = renderStatus(toStatusView(FIXTURE), { framed: true, colours: coloursFor({ isTTY: true }, {}) });
    expect(text).not.toBe(stripVTControlCharacters(text));
    const lines = stripVTControlCharacters(text).trimEnd().split('\n');
    expect(lines[1]).toMatch(/^┌─+┬.*┐$/);
    expect(lines.find((line) => line.includes(' n1 '))).toMatch(
      /│ n1 +│ 127.0.0.1:8081 │ disk-full +│ voter +│ follower │ 7 +│ 400 +│/,
    );
    const widths = new Set(lines.filter((line) => /^[┌│├└]/.test(line)).map(({ length }) => length));
    expect(widths.size).toBe(1);
  });

  it('has no colour when NO_COLOR is set', () => {
    const text = renderStatus(toStatusView(FIXTURE), { framed: true, colours: coloursFor({ isTTY: true }, { NO_COLOR: '1' }) });
    expect(text).toBe(stripVTControlCharacters(text));
  });

  it('says so when there is nothing', () => {
    const view = toStatusView({ nodes: [], route: { groups: [] } });
    expect(renderStatus(view, { framed: false, colours: coloursFor({}) })).toMatch(/no broker has registered/);
  });
});

describe('the group that a command is about', () => {
  const [group] = toStatusView(FIXTURE).groups;
  it('is the only one, or the one named', () => {
    if (group === undefined) throw new Error('no group');
    expect(chooseGroup([group], undefined)).toBe(group);
    expect(chooseGroup([group], 'g1')).toBe(group);
    expect(() => chooseGroup([group], 'g2')).toThrow(/no group g2 \(there are: g1\)/);
    expect(() => chooseGroup([group, { ...group, group: 'g2' }], undefined)).toThrow(/several groups \(g1, g2\)/);
    expect(() => chooseGroup([], undefined)).toThrow(/no broker has registered/);
  });
});
