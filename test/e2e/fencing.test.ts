/** Two processes with one producer name: the later one takes over, whatever happens to leaders meanwhile. */
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LograftClient } from '../../src/client/index.ts';
import { Cluster, finished, sleep } from './cluster.ts';

describe('two producers of one name', { timeout: 120_000 }, () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.start({ groups: 2 });
  }, 60_000);
  afterEach(async () => {
    await cluster.stop();
  }, 30_000);

  it('never write both: the older one is refused with its next batch, over kill -9 of leaders', async () => {
    expect((await cluster.run(['topic', 'create', 'bills', '--queues', '2'])).code).toBe(0);
    const older = cluster.spawn(['produce', 'bills', '--queue', '0', '--producer-name', 'billing']);
    const olderEnds = finished(older);
    await write(cluster, older, 'older 1', 1);
    await killLeader(cluster);
    await write(cluster, older, 'older 2', 2);

    const newer = cluster.spawn(['produce', 'bills', '--queue', '0', '--producer-name', 'billing']);
    const newerEnds = finished(newer);
    await write(cluster, newer, 'newer 1', 3);
    await killLeader(cluster);

    older.stdin?.write('older 3\n');
    const { code, stderr } = await olderEnds;
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/2 of 3 sent were.*another instance of this named producer has taken over/);

    await write(cluster, newer, 'newer 2', 4);
    newer.stdin?.end();
    expect((await newerEnds).code).toBe(0);
    const consumed = await cluster.run(['consume', 'bills', '--until-end']);
    expect(consumed.stdout.toString()).toBe('older 1\nolder 2\nnewer 1\nnewer 2\n');
  });

  it('hand over in all groups at once: who takes over learns what was stored last', async () => {
    expect((await cluster.run(['topic', 'create', 'bills', '--queues', '4'])).code).toBe(0);
    const client = new LograftClient({ routers: [cluster.router] });
    const older = client.producer({ name: 'billing' });
    for (let queue = 0; queue < 3; queue += 1)
      for (let at = 0; at <= queue; at += 1) await older.send('bills', { queue, value: `${queue} ${at}` });
    await killLeader(cluster);
    const newer = client.producer({ name: 'billing' });
    expect((await newer.takeOver('bills')).map(({ offset }) => offset)).toEqual([0, 1, 2, undefined]);
    await killLeader(cluster);
    const late = await Promise.allSettled([0, 1, 2, 3].map((queue) => older.send('bills', { queue, value: 'late' })));
    for (const outcome of late) expect(outcome).toMatchObject({ status: 'rejected', reason: { reason: 'FENCED' } });
    expect(await newer.send('bills', { queue: 2, value: 'next' })).toEqual({ queue: 2, offset: 3 });
    await client.close();
  });
});

/** Gives the process a line, and waits until the queue holds so many records. */
async function write(cluster: Cluster, producer: ChildProcess, line: string, records: number): Promise<void> {
  producer.stdin?.write(`${line}\n`);
  const client = new LograftClient({ routers: [cluster.router] });
  try {
    for (let tries = 0; tries < 500; tries += 1) {
      const { queues } = await client.admin.describeTopic('bills');
      if (queues.find(({ queue }) => queue === 0)?.nextOffset === records) return;
      await sleep(20);
    }
    throw new Error(`'${line}' was not stored`);
  } finally {
    await client.close();
  }
}

async function killLeader(cluster: Cluster): Promise<void> {
  const leader = await cluster.leader();
  cluster.kill(leader, 'SIGKILL');
  await cluster.waitUntilDead(leader);
  cluster.restart(leader);
  await cluster.leader({ not: leader.id });
}
