/** What must survive the death of leaders: every record that was acknowledged, once, in order. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LograftClient } from '../../src/client/index.ts';
import { Cluster, finished, sleep } from './cluster.ts';
import { countLines, realLines } from './real-lines.ts';

describe('a cluster of three', { timeout: 120_000 }, () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.start();
  }, 30_000);
  afterEach(async () => {
    await cluster.stop();
  }, 30_000);

  it('gives a file of 200 000 lines back byte for byte after kill -9 of the leader half way', async () => {
    const text = realLines(200_000);
    const file = join(cluster.directory, 'input.txt');
    await writeFile(file, text);
    expect((await cluster.run(['topic', 'create', 'lines'])).code).toBe(0);

    const producing = cluster.spawn(['produce', 'lines', '--file', file, '--json']);
    const result = finished(producing);
    const victim = await whenProduced(cluster, 'lines', countLines(text) / 2);
    cluster.kill(victim, 'SIGKILL');
    await cluster.waitUntilDead(victim);
    cluster.restart(victim);

    const { code, stdout, stderr } = await result;
    expect(stderr).not.toMatch(/not acknowledged/);
    expect(code).toBe(0);
    const summary = JSON.parse(stdout.toString()) as { records: number };
    expect(summary.records).toBe(countLines(text));

    const consumed = await cluster.run(['consume', 'lines', '--until-end']);
    expect(consumed.code).toBe(0);
    expect(consumed.stdout.equals(text)).toBe(true);

    // The node that died holds the same log in the end.
    await cluster.waitUntilEqual();
  });

  it('keeps every acknowledged record when all three are killed while producing', async () => {
    expect((await cluster.run(['topic', 'create', 'orders'])).code).toBe(0);
    const acknowledged = await produceWhile(cluster, 'orders', async () => {
      await sleep(2_000);
      for (const node of cluster.nodes) cluster.kill(node, 'SIGKILL');
      for (const node of cluster.nodes) await cluster.waitUntilDead(node);
      for (const node of cluster.nodes) cluster.restart(node);
      await cluster.leader();
      await sleep(1_000);
    });
    expect(acknowledged.size).toBeGreaterThan(1_000);
    await expectAllPresent(cluster, 'orders', acknowledged);
  });

  it('loses nothing when the leader is stopped for 10 s and wakes up as the old one', async () => {
    expect((await cluster.run(['topic', 'create', 'orders'])).code).toBe(0);
    let stopped = '';
    const acknowledged = await produceWhile(cluster, 'orders', async () => {
      const old = await cluster.leader();
      stopped = old.id;
      cluster.kill(old, 'SIGSTOP');
      const frozenAt = Date.now();
      const next = await cluster.leader({ not: old.id });
      expect(next.id).not.toBe(old.id);
      await sleep(Math.max(0, 10_000 - (Date.now() - frozenAt)));
      cluster.kill(old, 'SIGCONT');
      await sleep(1_500);
    });
    const views = await cluster.waitUntilEqual();
    const leaders = views.filter(({ role }) => role === 'leader');
    expect(leaders).toHaveLength(1);
    expect(views.find(({ node }) => node === stopped)?.term).toBe(leaders[0]?.term);
    await expectAllPresent(cluster, 'orders', acknowledged);
  });
});

/** Waits until the topic holds `records`, and gives the leader of then. */
async function whenProduced(cluster: Cluster, topic: string, records: number) {
  const client = new LograftClient({ routers: [cluster.router] });
  try {
    for (let tries = 0; tries < 2_000; tries += 1) {
      const { queues } = await client.admin.describeTopic(topic);
      if ((queues[0]?.nextOffset ?? 0) >= records) return await cluster.leader();
      await sleep(10);
    }
    throw new Error(`${topic} never held ${records} records`);
  } finally {
    await client.close();
  }
}

/** Sends numbered records until `act` is done; gives the numbers of those acknowledged with their offsets. */
async function produceWhile(cluster: Cluster, topic: string, act: () => Promise<void>): Promise<Map<number, number>> {
  const client = new LograftClient({ routers: [cluster.router] });
  const producer = client.producer({ deliveryTimeoutMs: 30_000 });
  const acknowledged = new Map<number, number>();
  let going = true;
  const sending = (async () => {
    for (let serial = 0; going; serial += 1) {
      const room = producer.ready();
      if (room !== undefined) await room;
      producer.send(topic, { value: Buffer.from(`record ${serial}`) }).then(
        ({ offset }) => acknowledged.set(serial, offset),
        () => {}, // not acknowledged: its outcome is unknown, it is not counted
      );
      if (serial % 20 === 0) await sleep(1);
    }
  })();
  await act();
  going = false;
  await sending;
  await producer.close();
  await client.close();
  return acknowledged;
}

async function expectAllPresent(cluster: Cluster, topic: string, acknowledged: ReadonlyMap<number, number>): Promise<void> {
  const client = new LograftClient({ routers: [cluster.router] });
  const stored = new Map<number, number>();
  let previous = -1;
  for await (const { offset, value } of client.reader({ topic, from: 'earliest', untilEnd: true })) {
    expect(offset).toBe(stored.size);
    const serial = Number(value.toString().slice('record '.length));
    expect(serial, 'in the order of sending, none twice').toBeGreaterThan(previous);
    previous = serial;
    stored.set(serial, offset);
  }
  for (const [serial, offset] of acknowledged) expect(stored.get(serial)).toBe(offset);
  await client.close();
}
