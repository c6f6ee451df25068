/** Each mistake gets one clear line and the right status; nothing that was stored is lost. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LograftError } from '../../src/rpc/error.ts';
import { GrpcChannel } from '../../src/rpc/grpc-channel.ts';
import { LogService, RecordBatchCodec, RecordSetCodec } from '../../src/rpc/protos.ts';
import { Cluster, freePorts, lograft } from './cluster.ts';

describe('mistakes in calls', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  let channel: GrpcChannel;
  let topicId = 0;

  beforeAll(async () => {
    cluster = await Cluster.start();
    expect((await cluster.run(['topic', 'create', 'orders', '--queues', '2'])).code).toBe(0);
    const leader = await cluster.leader();
    channel = new GrpcChannel(leader.address);
    await cluster.run(['produce', 'orders', '--queue', '0'], { input: Buffer.from('kept\n') });
    topicId = 1;
  }, 60_000);
  afterAll(async () => {
    channel?.close();
    const consumed = await cluster.run(['consume', 'orders', '--queue', '0', '--until-end']);
    expect(consumed.stdout.toString(), 'what was stored is still there').toBe('kept\n');
    await cluster.stop();
  }, 60_000);

  const goodBatch = (change: object = {}) => {
    const records = RecordSetCodec.encode({ records: [{ value: Buffer.from('x') }] });
    return RecordBatchCodec.encode({ topicId, queue: 1, count: 1, recordsCrc32c: crc32c(records), records, ...change });
  };

  it.each([
    ['a wrong checksum', () => goodBatch({ recordsCrc32c: 1 }), 'MALFORMED_BATCH', 3, /checksum/],
    ['a wrong count', () => goodBatch({ count: 7 }), 'MALFORMED_BATCH', 3, /says 7 records and holds 1/],
    ['no records', () => goodBatch({ count: 0 }), 'MALFORMED_BATCH', 3, /no records/],
    ['bytes that are no batch', () => Buffer.from('not a batch at all'), 'MALFORMED_BATCH', 3, /malformed batch/],
    ['an unknown topic id', () => goodBatch({ topicId: 99 }), 'UNKNOWN_TOPIC', 5, /no topic/],
    ['an unknown queue', () => goodBatch({ queue: 2 }), 'UNKNOWN_QUEUE', 11, /queues 0 to 1/],
    ['an unknown producer', () => goodBatch({ producerId: 12_345_678 }), 'UNKNOWN_PRODUCER', 9, /open a new one/],
    ['too large a batch', () => Buffer.alloc(4 * 1024 * 1024 + 1), 'BATCH_TOO_LARGE', 3, /4194304.*smaller batches/],
  ])('%s is refused', async (_, make, reason, status, message) => {
    const answer = await append(channel, make());
    expect(answer.error).toMatchObject({ status, message: expect.stringMatching(message) });
    const { LograftError } = await import('../../src/rpc/error.ts');
    expect(LograftError.fromMessage(answer.error as never).reason).toBe(reason);
  });

  it('a request id that the answer could not repeat is refused', async () => {
    await expect(append(channel, goodBatch({ topicId: 99 }), 2 ** 53 - 1)).resolves.toMatchObject({ requestId: 2 ** 53 - 1 });
    await expect(append(channel, goodBatch(), 2 ** 53)).rejects.toMatchObject({ reason: 'INVALID_REQUEST', status: 3 });
  });

  it.each([
    ['position', { fromPosition: 9 }, /from_position.* 9/],
    ['consistency', { consistency: 9 }, /consistency.* 9/],
  ])('a %s that a later version may have is refused', async (_, choice, message) => {
    const error = await firstError(channel.read(LogService.Read, { topic: 'orders', queue: 0, ...choice } as never));
    expect(error).toMatchObject({ reason: 'INVALID_REQUEST', status: 3, message: expect.stringMatching(message) });
  });

  it('refuses reads out of range, with OUT_OF_RANGE', async () => {
    const request = { topic: 'orders', queue: 0, fromOffset: 1_000 };
    const error = (await firstError(channel.read(LogService.Read, request))) as LograftError;
    expect(error).toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE', status: 11 });
  });

  it.each([
    [{ name: 'x'.repeat(128), epoch: 1 }, /1 to 127/],
    [{ name: 'billing' }, /TakeEpoch/],
    [{ epoch: 1 }, /TakeEpoch/],
  ])('refuses a producer session %#, with INVALID_ARGUMENT', async (request, message) => {
    const error = (await firstError([channel.call(LogService.OpenProducer, request)])) as LograftError;
    expect(error).toMatchObject({ reason: 'INVALID_REQUEST', status: 3 });
    expect(error.message).toMatch(message);
  });

  const orders = { topic: 'orders', queue: 0, offset: 1 };
  it.each([
    ['a name that is none', { consumerGroup: 'bad name', offsets: [orders] }, 'INVALID_REQUEST', /names of consumer groups/],
    ['no offsets', { consumerGroup: 'g', offsets: [] }, 'INVALID_REQUEST', /1 to 1024/],
    ['too many', { consumerGroup: 'g', offsets: Array(1_025).fill(orders) }, 'INVALID_REQUEST', /not 1025/],
    [
      'an offset after the end',
      { consumerGroup: 'g', offsets: [{ ...orders, offset: 2 }] },
      'OFFSET_OUT_OF_RANGE',
      /after the end/,
    ],
    ['an unknown queue', { consumerGroup: 'g', offsets: [orders, { ...orders, queue: 2 }] }, 'UNKNOWN_QUEUE', /queues 0 to 1/],
    ['another topic of the name', { consumerGroup: 'g', offsets: [{ ...orders, topicId: 7 }] }, 'UNKNOWN_TOPIC', /has the id 1/],
  ])('refuses to commit %s, and commits nothing then', async (_, request, reason, message) => {
    const error = (await firstError([channel.call(LogService.CommitOffsets, request)])) as LograftError;
    expect(error).toMatchObject({ reason, message: expect.stringMatching(message) });
    expect(await channel.call(LogService.FetchOffsets, { consumerGroup: 'g' })).toEqual({ offsets: [] });
  });

  it('takes commits at the leader only, and tells what was committed at any node', async () => {
    const leader = await cluster.leader();
    const follower = cluster.nodes.find(({ id }) => id !== leader.id);
    const other = new GrpcChannel(follower?.address as string);
    const request = { consumerGroup: 'both', offsets: [orders] };
    const error = await firstError([other.call(LogService.CommitOffsets, request)]);
    expect(error).toMatchObject({ reason: 'NOT_LEADER', leaderAddress: leader.address });
    await channel.call(LogService.CommitOffsets, request);
    const committed = await other.call(LogService.FetchOffsets, { consumerGroup: 'both', topic: 'orders' });
    other.close();
    expect(committed.offsets).toEqual([{ ...orders, topicId: 1 }]);
  });

  it('answers a follower with the leader to ask', async () => {
    const leader = await cluster.leader();
    const follower = cluster.nodes.find(({ id }) => id !== leader.id);
    const other = new GrpcChannel(follower?.address as string);
    const error = (await firstError([other.call(LogService.OpenProducer, {})])) as LograftError;
    other.close();
    expect(error).toMatchObject({ reason: 'NOT_LEADER', status: 14, leaderAddress: leader.address, retry: 'safe' });
  });

  it.each([
    [['produce', 'nosuch'], /nosuch/],
    [['consume', 'nosuch', '--until-end'], /nosuch/],
    [['topic', 'create', 'bad name'], /characters/],
    [['topic', 'create', 'orders'], /already/],
  ])('lograft %j fails with one clear line', async (args, message) => {
    const { code, stderr } = await cluster.run(args, { input: Buffer.from('x\n') });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('mistakes at the start of a broker', { timeout: 60_000 }, () => {
  let directory: string;
  let port: number;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lograft-e2e-'));
    port = await freePorts(2);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function start(id: string, dataDir: string, extra = ''): Promise<{ code: number | null; stderr: string }> {
    const config = join(directory, `${id}.yaml`);
    const member = `{ id: ${id}, address: "127.0.0.1:${port}" }`;
    await writeFile(config, `nodeId: ${id}\nlisten: 127.0.0.1:${port}\ndataDir: ${dataDir}\nmembers: [${member}]\n${extra}`);
    return lograft(['broker', '--config', config]);
  }

  it('names an unknown configuration key', async () => {
    const { code, stderr } = await start('n1', join(directory, 'd0'), 'hartbeatIntervalMs: 100\n');
    expect(code).toBe(1);
    expect(stderr).toMatch(/hartbeatIntervalMs/);
    expect(stderr).toMatch(/heartbeatIntervalMs/);
  });

  it('names the port in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    const { code, stderr } = await start('n1', join(directory, 'd1'));
    await new Promise((resolve) => taken.close(resolve));
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`127.0.0.1:${port}.*in use`));
  });

  it("refuses another node's data directory, and a newer format", async () => {
    const dataDir = join(directory, 'd2');
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    await start('n1', dataDir); // makes the directory n1's, then stops at the port
    await new Promise((resolve) => taken.close(resolve));

    const other = await start('n2', dataDir);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/n1.*n2|n2.*n1/);

    const identity = join(dataDir, 'identity.json');
    const content = JSON.parse(await readFile(identity, 'utf8')) as { format: number };
    await writeFile(identity, JSON.stringify({ ...content, format: content.format + 1 }));
    const newer = await start('n1', dataDir);
    expect(newer.code).toBe(1);
    expect(newer.stderr).toMatch(/newer|format/);
  });
});

function append(channel: GrpcChannel, batch: Buffer, requestId = 1): Promise<{ requestId: number; error: unknown }> {
  return new Promise((resolve, reject) => {
    const stream = channel.open(LogService.Append, {
      onMessage: (answer) => {
        resolve(answer as never);
        stream.end();
      },
      onEnd: (error) => reject(error ?? new Error('stream ended without an answer')),
    });
    stream.write({ requestId, batch });
  });
}

async function firstError(answers: AsyncIterable<unknown> | Iterable<Promise<unknown>>): Promise<unknown> {
  try {
    for await (const _ of answers);
  } catch (error) {
    return error;
  }
  throw new Error('no error');
}
