import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LograftClient } from '../../../src/client/index.ts';
import { FakeCluster, sleep } from './fake-cluster.ts';

let cluster: FakeCluster;
let client: LograftClient;

beforeEach(async () => {
  cluster = await FakeCluster.start();
  client = await LograftClient.connect({ routers: [cluster.routerAddress] });
});

afterEach(async () => {
  await client.close();
  await cluster.stop();
});

describe('admin', () => {
  it('makes a topic that can be used at once, and shows it', async () => {
    expect(await client.admin.createTopic('orders', { queues: 2 })).toMatchObject({
      name: 'orders',
      queueGroups: ['g1', 'g1'],
    });
    await using producer = client.producer();
    await producer.send('orders', { queue: 1, value: 'first' });
    expect((await client.admin.describeTopic('orders')).queues).toMatchObject([{ nextOffset: 0 }, { queue: 1, nextOffset: 1 }]);
    expect((await client.admin.listTopics()).map(({ name }) => name)).toEqual(['orders']);
    await expect(client.admin.createTopic('orders')).rejects.toMatchObject({ reason: 'TOPIC_EXISTS' });
    await expect(client.admin.describeTopic('none')).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    await client.admin.deleteTopic('orders');
    await vi.waitFor(async () => expect(await client.admin.listTopics()).toEqual([]));
    await expect(client.admin.deleteTopic('orders')).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
  });

  it('marks nodes that do not answer', async () => {
    await cluster.nodes[1]?.stop();
    const { nodes, route } = await client.admin.status();
    expect(nodes.map(({ node, reachable }) => [node, reachable])).toEqual([
      ['n1', true],
      ['n2', false],
      ['n3', true],
    ]);
    expect(nodes[0]?.status?.groups[0]).toMatchObject({ group: 'g1', role: 4 });
    expect(route.groups[0]).toMatchObject({ group: 'g1', leader: 'n1' });
  });

  it('follows the leader, waits for one, and gives up in time', async () => {
    await client.admin.transferLeader('g1');
    await client.admin.createTopic('a');
    await cluster.nodes[cluster.leader]?.stop();
    const making = client.admin.createTopic('b');
    await sleep(150);
    cluster.move();
    expect(await making).toMatchObject({ name: 'b' });
    for (const node of cluster.nodes) await node.stop();
    await expect(client.admin.createTopic('c', { timeoutMs: 200 })).rejects.toMatchObject({ reason: 'NO_LEADER' });
  });

  it('changes members, and tells at once what a leader refuses', async () => {
    const { members } = cluster;
    const n4 = { node: 'n4', address: '127.0.0.1:9' };
    members.learnerLag = 1_000;
    members.learnsPerLook = 0;
    expect((await client.admin.changeMembers('g1', { addLearners: [n4] })).at(-1)).toMatchObject({
      ...n4,
      voter: false,
      lag: 1_000,
    });
    const promote = { promote: ['n4'] };
    await expect(client.admin.changeMembers('g1', promote)).rejects.toMatchObject({ reason: 'NOT_CAUGHT_UP' });
    members.get('n4').lag = 0;
    members.settled = false;
    await expect(client.admin.changeMembers('g1', promote)).rejects.toMatchObject({ reason: 'MEMBERS_CHANGING' });
    members.settled = true;
    expect(await client.admin.changeMembers('g1', { ...promote, remove: ['n1'] })).toHaveLength(3);
    expect(members.voters).toEqual(['n2', 'n3', 'n4']);
    await expect(client.admin.changeMembers('g1', { promote: ['n9'] })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(members.changes).toHaveLength(2);
  });

  it('changes members at whoever leads, and gives up in time', async () => {
    const { members } = cluster;
    // The router believes the former leader until the new one reports.
    cluster.leader = 1;
    cluster.term += 1;
    await client.admin.changeMembers('g1', { remove: ['n3'] });
    expect(members.voters).toEqual(['n1', 'n2']);
    await cluster.nodes[1]?.stop();
    const changing = client.admin.changeMembers('g1', { promote: ['n1'] });
    await sleep(150);
    cluster.move();
    expect(await changing).toHaveLength(2);
    for (const node of cluster.nodes) await node.stop();
    const late = client.admin.changeMembers('g1', { promote: ['n1'] }, { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ reason: 'NO_LEADER' });
    const signal = AbortSignal.timeout(20);
    await expect(client.admin.changeMembers('g1', {}, { signal })).rejects.toMatchObject({ reason: 'CANCELLED' });
  });

  it('works without a router, given a broker', async () => {
    await using alone = new LograftClient({
      routers: ['127.0.0.1:1'],
      brokers: [cluster.nodes[2]?.address ?? '', cluster.nodes[0]?.address ?? ''],
    });
    await alone.admin.createTopic('alone');
    await using producer = alone.producer();
    expect(await producer.send('alone', { value: 'x' })).toEqual({ queue: 0, offset: 0 });
  });

  it('rejects when nothing answers, and ends waiting calls when closed', async () => {
    await expect(LograftClient.connect({ routers: ['127.0.0.1:1'], timeoutMs: 100 })).rejects.toMatchObject({
      reason: 'NO_LEADER',
    });
    const lost = new LograftClient({ routers: ['127.0.0.1:1'] });
    const calls = expect(Promise.all([lost.route(), lost.admin.listTopics()])).rejects.toMatchObject({ reason: 'CLOSED' });
    await sleep(20);
    await lost.close();
    await calls;
    const signal = AbortSignal.timeout(20);
    await using waiting = new LograftClient({ routers: ['127.0.0.1:1'] });
    await expect(waiting.route({ signal })).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(() => new LograftClient({ routers: [] })).toThrow(/one "host:port" at least/);
    expect(() => new LograftClient({ routers: ['nowhere'] })).toThrow(/an address is "host:port"/);
  });
});
