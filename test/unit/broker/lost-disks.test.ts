/** Who is taken back, and who is left alone: the decision, and the leader that takes its time over it. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Group } from '../../../src/broker/group.ts';
import { LostDisks, nextChange, patienceMs } from '../../../src/broker/lost-disks.ts';
import type { Configuration, Member } from '../../../src/raft/configuration.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import { ManualClock } from '../manual-clock.ts';

/** "n1 n2 n3? n4!": n3 is a learner, n4 one that is to return. */
function group(text: string): Configuration {
  const members = text.split(' ').map((word): Member => {
    const id = word.slice(0, 2) as NodeId;
    return { id, address: `${id}:1`, disk: `disk of ${id}`, ...(word.endsWith('!') && { returning: true }) };
  });
  return { members, voters: text.split(' ').filter((word) => word.length === 2) as NodeId[], outgoing: [] };
}

function next(configuration: Configuration, alive: string, lost = '', caughtUp = alive) {
  const nodes = (list: string): NodeId[] => list.split(' ').filter((word) => word !== '') as NodeId[];
  const change = nextChange(configuration, {
    alive: new Set(nodes(alive)),
    caughtUp: new Set(nodes(caughtUp)),
    lost: new Map(nodes(lost).map((id) => [id, `new disk of ${id}`])),
  });
  return change && { ...change, what: undefined };
}

const memberIn = (members: readonly Member[] | undefined, id: string): Member | undefined =>
  members?.find((member) => member.id === id);

describe('the next change', () => {
  it('is none while no disk is lost and nobody is to return', () => {
    expect(next(group('n1 n2 n3'), 'n1 n2 n3')).toBeUndefined();
    // Dead, or too far away to be asked who it is.
    expect(next(group('n1 n2 n3'), 'n1 n2')).toBeUndefined();
    expect(next(group('n1 n2 n3?'), 'n1 n2 n3')).toBeUndefined();
  });

  it('takes the vote from a lost disk, with the disk that it had', () => {
    const change = next(group('n1 n2 n3'), 'n1 n2', 'n3');
    expect(change?.voters).toEqual(['n1', 'n2']);
    expect(memberIn(change?.members, 'n3')).toEqual({ id: 'n3', address: 'n3:1', disk: 'disk of n3', returning: true });
  });

  it('takes none that those alive cannot commit: not the last but one, not in a group without a quorum', () => {
    expect(next(group('n1 n2'), 'n1', 'n2')).toBeUndefined();
    expect(next(group('n1 n2 n3'), 'n1', 'n3')).toBeUndefined();
    expect(next(group('n1 n2 n3 n4'), 'n1 n2', 'n4')).toBeUndefined();
    expect(next(group('n1 n2 n3 n4'), 'n1 n2 n3', 'n4')?.voters).toEqual(['n1', 'n2', 'n3']);
    expect(next(group('n1 n2 n3 n4 n5'), 'n1 n2', 'n4 n5')).toBeUndefined();
  });

  it('never asks more of those alive than was asked of them before', () => {
    for (let voters = 2; voters <= 7; voters += 1) {
      const names = Array.from({ length: voters }, (_, at) => `n${at + 1}`);
      for (let alive = 1; alive < voters; alive += 1) {
        const change = next(group(names.join(' ')), names.slice(0, alive).join(' '), names.at(-1));
        const quorumOf = (count: number): number => Math.floor(count / 2) + 1;
        expect(change !== undefined).toBe(alive >= quorumOf(voters));
        if (change !== undefined) expect(quorumOf(change.voters.length)).toBeLessThanOrEqual(quorumOf(voters));
      }
    }
  });

  it('takes one vote at a time', () => {
    expect(next(group('n1 n2 n3 n4 n5'), 'n1 n2 n3', 'n4 n5')).toMatchObject({ node: 'n4', voters: ['n1', 'n2', 'n3', 'n5'] });
  });

  it('lets the new disk take the place of one that counts for nothing', () => {
    const change = next(group('n1 n2 n3!'), 'n1 n2', 'n3');
    expect(change?.voters).toEqual(['n1', 'n2']);
    expect(memberIn(change?.members, 'n3')).toMatchObject({ disk: 'new disk of n3', returning: true });
    // Who never voted learns on, and no more.
    expect(memberIn(next(group('n1 n2 n3?'), 'n1 n2', 'n3')?.members, 'n3')).not.toHaveProperty('returning');
  });

  it('gives the vote back to who has caught up, and to nobody who never had it', () => {
    expect(next(group('n1 n2 n3!'), 'n1 n2 n3', '', 'n1 n2')).toBeUndefined();
    expect(next(group('n1 n2 n3! n4!'), 'n1 n2 n3 n4', '', 'n2 n4')).toMatchObject({ node: 'n4', voters: ['n1', 'n2', 'n4'] });
    expect(next(group('n1 n2 n3?'), 'n1 n2 n3')).toBeUndefined();
  });

  it('takes the vote of a lost one before another gets its own back', () => {
    expect(next(group('n1 n2 n3 n4 n5!'), 'n1 n2 n3 n5', 'n4')).toMatchObject({ node: 'n4', voters: ['n1', 'n2', 'n3'] });
  });
});

describe('a leader', () => {
  function leader(configuration = group('n1 n2 n3')) {
    const clock = new ManualClock();
    const heardMs = new Map<string, number>();
    const changes: string[] = [];
    const introductions = new Map([['n3:1', { node: 'n3', disk: 'new disk' }]]);
    const replica = {
      configuration,
      status: { role: 'leader', term: 1 },
      settled: true,
      memberHeardMs: (id: string) => heardMs.get(id),
      progress: () => [{ id: 'n2', active: true, state: 'replicate' }],
      changeMembership: (_: unknown, voters: readonly NodeId[]) => {
        changes.push(`${clock.nowMs()}: ${voters.join(' ')}`);
        return { accepted: true };
      },
    };
    const fake = {
      self: 'n1',
      replica,
      get leads() {
        return replica.status.role === 'leader';
      },
      get members() {
        return replica.configuration.members;
      },
    } as unknown as Group;
    let asked = 0;
    const introduce = async (_group: string, address: string) => {
      asked += 1;
      const found = introductions.get(address);
      if (found === undefined) throw new Error('nobody answers');
      return found;
    };
    const duty = new LostDisks(fake, { introduce }, patienceMs(1_000), clock, pino({ level: 'silent' }));
    /** `spoken`: whose messages come in meanwhile. */
    const pass = async (seconds: number, ...spoken: string[]): Promise<void> => {
      for (let second = 0; second < seconds; second += 1) {
        for (const id of spoken) heardMs.set(id, clock.nowMs());
        await clock.pass(1_000);
      }
    };
    return { replica, introductions, changes, pass, duty, asked: () => asked };
  }

  it('waits until nothing was heard of the disk for ten seconds, since it leads', async () => {
    const { changes, pass, replica } = leader();
    await pass(10, 'n2');
    expect(changes).toEqual([]);
    replica.status = { role: 'leader', term: 2 };
    await pass(10, 'n2');
    expect(changes).toEqual([]);
    await pass(1, 'n2');
    expect(changes).toEqual(['21000: n1 n2']);
  });

  it('keeps who is heard of, wherever that is, and asks nobody', async () => {
    const { changes, pass, asked } = leader();
    await pass(60, 'n2', 'n3');
    expect([changes, asked()]).toEqual([[], 0]);
  });

  it('does nothing when nobody answers there, or the same disk, or another node', async () => {
    for (const found of [undefined, { node: 'n3', disk: 'disk of n3' }, { node: 'n9', disk: 'new disk' }]) {
      const { changes, pass, introductions } = leader();
      introductions.clear();
      if (found !== undefined) introductions.set('n3:1', found);
      await pass(30, 'n2');
      expect(changes).toEqual([]);
    }
  });

  it('does nothing while another change is under way, or another node leads', async () => {
    const { changes, pass, replica } = leader();
    replica.settled = false;
    await pass(30, 'n2');
    replica.settled = true;
    replica.status = { role: 'follower', term: 1 };
    await pass(30, 'n2');
    expect(changes).toEqual([]);
  });

  it('looks again after it has asked: the lost one may have spoken, a change may have begun', async () => {
    const { changes, pass, replica, introductions } = leader();
    const found = introductions.get('n3:1');
    introductions.get = () => {
      replica.settled = false;
      return found;
    };
    await pass(30, 'n2');
    expect(changes).toEqual([]);
  });

  it('stops when closed', async () => {
    const { changes, pass, duty } = leader();
    duty.close();
    await pass(30, 'n2');
    expect(changes).toEqual([]);
  });
});
