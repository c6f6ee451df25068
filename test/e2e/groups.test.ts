/** Several groups on the same nodes, and topics over all of them. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LograftClient } from '../../src/client/index.ts';
import { Cluster, finished, freePorts, sleep, spawnLograft } from './cluster.ts';

const GROUPS = 6;

describe('six groups on three nodes', { timeout: 120_000 }, () => {
  let cluster: Cluster;
  let client: LograftClient;

  beforeEach(async () => {
    cluster = await Cluster.start({ groups: GROUPS });
    client = new LograftClient({ routers: [cluster.router] });
    await vi.waitFor(async () => expect((await leaders(client)).size).toBe(GROUPS), { timeout: 20_000, interval: 100 });
  }, 60_000);
  afterEach(async () => {
    await client.close();
    await cluster.stop();
  }, 30_000);

  it('lead two groups each, share the death of one, and lead two each again', async () => {
    await vi.waitFor(async () => expect(await share(client)).toEqual([2, 2, 2]), { timeout: 20_000, interval: 200 });
    await client.admin.createTopic('orders', { queues: 12 });
    const sent = new Map<string, string[]>();
    const producer = client.producer({ deliveryTimeoutMs: 30_000 });
    let going = true;
    const producing = (async () => {
      for (let serial = 0; going; serial += 1) {
        const key = `customer ${serial % 50}`;
        sent.set(key, [...(sent.get(key) ?? []), String(serial)]);
        // Rejected: the test fails, for every record is to be acknowledged.
        void producer.send('orders', { key, value: String(serial) });
        if (serial % 20 === 0) await sleep(1);
      }
    })();
    await sleep(500);
    const victim = cluster.node('n2');
    cluster.kill(victim, 'SIGKILL');
    await cluster.waitUntilDead(victim);
    await vi.waitFor(async () => expect(new Set((await leaders(client)).values())).toEqual(new Set(['n1', 'n3'])), {
      timeout: 20_000,
      interval: 100,
    });
    cluster.restart(victim);
    await vi.waitFor(async () => expect(await share(client)).toEqual([2, 2, 2]), { timeout: 30_000, interval: 200 });
    going = false;
    await producing;
    await producer.close();

    const read = new Map<string, string[]>();
    for await (const { key, value } of client.reader({ topic: 'orders', from: 'earliest', untilEnd: true })) {
      const name = Buffer.from(key ?? []).toString();
      read.set(name, [...(read.get(name) ?? []), value.toString()]);
    }
    expect(read).toEqual(sent);
  });

  it('hold topics that are enlarged, deleted, and made again under the same name', async () => {
    await client.admin.createTopic('orders', { queues: 2, groups: ['g2', 'g5'] });
    await using producer = client.producer();
    for (const queue of [0, 1]) await producer.send('orders', { queue, value: 'first' });
    const { queueGroups } = await client.admin.addQueues('orders', 4);
    expect(queueGroups.slice(0, 2)).toEqual(['g2', 'g5']);
    await vi.waitFor(() => producer.send('orders', { queue: 3, value: 'new' }), { timeout: 5_000 });
    const ends = (await client.admin.describeTopic('orders')).queues.map(({ nextOffset }) => nextOffset);
    expect(ends).toEqual([1, 1, 0, 1]);

    await client.admin.deleteTopic('orders');
    await vi.waitFor(() => expect(producer.send('orders', { queue: 0, value: 'late' })).rejects.toThrow(/topic/), {
      timeout: 5_000,
    });
    expect(await client.admin.listTopics()).toEqual([]);
    const { id } = await client.admin.createTopic('orders', { queues: 1 });
    expect(id).toBe(2);
    await vi.waitFor(async () => expect(await producer.send('orders', { value: 'again' })).toMatchObject({ offset: 0 }), {
      timeout: 5_000,
    });
  });

  it('take in a node that was not there before, one group at a time', async () => {
    await client.admin.createTopic('orders', { queues: 6 });
    const port = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const [first] = cluster.nodes;
    const members = [`n1=${first?.address}`, `n4=${address}`].flatMap((member) => ['--member', member]);
    const data = ['--data', join(cluster.directory, 'n4')];
    const guest = spawnLograft([
      'broker',
      '--node-id',
      'n4',
      '--listen',
      address,
      ...data,
      ...members,
      '--routers',
      cluster.router,
    ]);
    const gone = finished(guest);
    try {
      for (const group of ['g3', 'g1']) {
        const added = await cluster.run(['group', 'add-member', 'n4', '--address', address, '--group', group]);
        expect(`${added.code} ${added.stdout} ${added.stderr}`).toMatch(/^0 group g\d: voters n1, n2, n3, n4/);
      }
      const { nodes } = await client.admin.status();
      const held = nodes.find(({ node }) => node === 'n4')?.status;
      expect(held?.groups.map(({ group }) => group).sort()).toEqual(['g1', 'g3']);
    } finally {
      guest.kill('SIGTERM');
      await gone;
    }
    await using producer = client.producer();
    await Promise.all(Array.from({ length: 6 }, (_, queue) => producer.send('orders', { queue, value: 'still' })));
  });

  it('are there again, with their topics, after all processes were killed', async () => {
    await client.admin.createTopic('orders', { queues: 12 });
    await using producer = client.producer({ deliveryTimeoutMs: 30_000 });
    await Promise.all(Array.from({ length: 120 }, (_, at) => producer.send('orders', { queue: at % 12, value: String(at) })));
    for (const node of cluster.nodes) cluster.kill(node, 'SIGKILL');
    for (const node of cluster.nodes) await cluster.waitUntilDead(node);
    for (const node of cluster.nodes) cluster.restart(node);
    await Promise.all(Array.from({ length: 120 }, (_, at) => producer.send('orders', { queue: at % 12, value: String(at) })));
    const { queues } = await client.admin.describeTopic('orders');
    expect(queues.map(({ nextOffset }) => nextOffset)).toEqual(Array(12).fill(20));
  });
});

/** Who leads each group that has a leader, by the word of the nodes. */
async function leaders(client: LograftClient): Promise<Map<string, string>> {
  const { nodes } = await client.admin.status();
  const led = nodes.flatMap(({ node, status }) =>
    (status?.groups ?? []).filter(({ leader }) => leader === node).map(({ group }) => [group, node] as const),
  );
  return new Map(led);
}

/** How many groups each node leads. */
async function share(client: LograftClient): Promise<number[]> {
  const led = [...(await leaders(client)).values()];
  return ['n1', 'n2', 'n3'].map((node) => led.filter((leader) => leader === node).length);
}
