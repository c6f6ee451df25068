/** What consumer groups have committed survives everything that records survive; and reading from a time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LograftClient } from '../../src/client/index.ts';
import { Cluster, sleep } from './cluster.ts';

const QUEUES = 4;
const RECORDS = 400;

describe('positions of consumer groups', { timeout: 120_000 }, () => {
  let cluster: Cluster;
  let client: LograftClient;

  beforeEach(async () => {
    cluster = await Cluster.start({ groups: 2 });
    client = new LograftClient({ routers: [cluster.router] });
    await client.admin.createTopic('orders', { queues: QUEUES, timeoutMs: 30_000 });
  }, 60_000);
  afterEach(async () => {
    await client.close();
    await cluster.stop();
  }, 30_000);

  const committed = async (): Promise<(number | undefined)[]> =>
    (await client.admin.groupOffsets('billing', { timeoutMs: 30_000 })).map(({ offset }) => offset);

  async function produce(from: number, to: number): Promise<void> {
    await using producer = client.producer({ deliveryTimeoutMs: 60_000 });
    const numbers = Array.from({ length: to - from }, (_, at) => from + at);
    await Promise.all(numbers.map((number) => producer.send('orders', { value: String(number), queue: number % QUEUES })));
  }

  it('are what was committed, after the leader was killed and after all nodes were', async () => {
    await produce(0, RECORDS);
    const read = new Map<string, number>();
    const readSome = async (count: number): Promise<void> => {
      const reader = client.reader({ topic: 'orders', group: 'billing', from: 'committed', untilEnd: true, commitEveryMs: 0 });
      for await (const { value } of reader) {
        read.set(value.toString(), (read.get(value.toString()) ?? 0) + 1);
        count -= 1;
        if (count > 0) continue;
        await reader.commit();
        break;
      }
    };
    await readSome(150);
    const before = await committed();
    expect(before.reduce<number>((sum, offset) => sum + (offset ?? 0), 0)).toBe(150);

    const victim = await cluster.leader();
    cluster.kill(victim, 'SIGKILL');
    expect(await committed()).toEqual(before);
    await readSome(100);
    const between = await committed();
    await cluster.waitUntilDead(victim);
    cluster.restart(victim);

    for (const node of cluster.nodes) cluster.kill(node, 'SIGKILL');
    for (const node of cluster.nodes) await cluster.waitUntilDead(node);
    for (const node of cluster.nodes) cluster.restart(node);
    expect(await committed()).toEqual(between);
    await readSome(RECORDS);
    // Each commit was by hand and with the last record read: so nothing came twice.
    expect([...read.values()]).toEqual(Array(RECORDS).fill(1));
  });

  it('are shown, reset and gone on from by the command line', async () => {
    await produce(0, RECORDS / 2);
    await sleep(50);
    const middle = new Date();
    await sleep(50);
    await produce(RECORDS / 2, RECORDS);
    const lines = async (...args: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await cluster.run(args);
      expect(`${code} ${stderr}`).toBe('0 ');
      return stdout.toString().split('\n').slice(0, -1);
    };
    expect(await lines('consume', 'orders', '--group', 'billing')).toHaveLength(RECORDS);
    expect(await lines('consume', 'orders', '--group', 'billing')).toEqual([]);
    const [heading, ...rows] = await lines('offsets', 'show', 'billing');
    expect(heading).toMatch(/^TOPIC +QUEUE +COMMITTED +NEXT OFFSET +LAG$/);
    expect(rows.map((row) => row.split(/ +/))).toEqual(
      Array.from({ length: QUEUES }, (_, queue) => ['orders', String(queue), '100', '100', '0']),
    );

    await lines('offsets', 'reset', 'billing', 'orders', '--to', middle.toISOString());
    expect(await committed()).toEqual(Array(QUEUES).fill(50));
    const late = Array.from({ length: RECORDS / 2 }, (_, at) => String(RECORDS / 2 + at));
    const numerically = (one: string, other: string): number => Number(one) - Number(other);
    expect((await lines('consume', 'orders', '--group', 'billing')).sort(numerically)).toEqual(late);
    expect((await lines('consume', 'orders', '--from', middle.toISOString())).sort(numerically)).toEqual(late);
    expect(await lines('consume', 'orders', '--from', '1h')).toHaveLength(RECORDS);
    expect(await lines('offsets', 'show', 'nobody')).toEqual(['consumer group nobody has committed nothing']);
  });
});
