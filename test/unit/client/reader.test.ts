import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LograftClient, type ReaderOptions, type ReaderRecord } from '../../../src/client/index.ts';
import { FakeCluster, sleep } from './fake-cluster.ts';

let cluster: FakeCluster;
let client: LograftClient;

beforeEach(async () => {
  cluster = await FakeCluster.start();
  cluster.createTopic('one', 1);
  cluster.createTopic('many', 3);
  client = new LograftClient({ routers: [cluster.routerAddress] });
});

afterEach(async () => {
  await client.close();
  await cluster.stop();
});

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => `${from + at}`);

async function fill(topic: string, from: number, to: number, queue?: number): Promise<void> {
  await using producer = client.producer({ batchBytes: 60 });
  await Promise.all(numbers(from, to).map((value) => producer.send(topic, { value, queue })));
}

async function all(options: ReaderOptions): Promise<ReaderRecord[]> {
  const records: ReaderRecord[] = [];
  for await (const record of client.reader(options)) records.push(record);
  return records;
}

const read = async (options: ReaderOptions): Promise<string[]> => (await all(options)).map(({ value }) => value.toString());

describe('a reader', () => {
  it('reads from and until any offset, also in the middle of a batch', async () => {
    await fill('one', 0, 50);
    expect(await read({ topic: 'one', from: 'earliest', untilEnd: true })).toEqual(numbers(0, 50));
    for (const [from, until] of [
      [0, 1],
      [7, 23],
      [24, 25],
      [49, 50],
      [10, 10],
    ] as const)
      expect(await read({ topic: 'one', from, until })).toEqual(numbers(from, until));
    expect(await read({ topic: 'one', from: 50, follow: false })).toEqual([]);
    expect(await read({ topic: 'one', from: 'latest', untilEnd: true })).toEqual([]);
  });

  it('gives everything of a record', async () => {
    await using producer = client.producer();
    const headers = [{ name: 'kind', value: 'greeting' }];
    await producer.send('one', { key: 'k', value: 'hello', headers, timestampMs: 1_700_000_000_123 });
    const [record] = await all({ topic: 'one', from: 0, until: 1 });
    expect(record).toEqual({
      queue: 0,
      offset: 0,
      key: Buffer.from('k'),
      value: Buffer.from('hello'),
      timestampMs: 1_700_000_000_123,
      headers: [{ name: 'kind', value: Buffer.from('greeting') }],
    });
  });

  it('goes on at the next offset when its node dies, and when leaders change, over and over', async () => {
    const read: string[] = [];
    const reading = (async () => {
      for await (const { value, offset } of client.reader({ topic: 'one', from: 'earliest', until: 200 })) {
        expect(offset).toBe(read.length);
        read.push(value.toString());
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      await fill('one', round * 40, (round + 1) * 40);
      await sleep(20);
      const node = cluster.nodes[cluster.leader];
      if (round % 2 === 0) await node?.stop();
      cluster.move();
      if (round % 2 === 0) await node?.start();
    }
    await reading;
    expect(read).toEqual(numbers(0, 200));
  });

  it('reads all queues of a topic, each in order', async () => {
    for (let queue = 0; queue < 3; queue += 1) await fill('many', 0, 40, queue);
    const next = [0, 0, 0];
    for await (const { queue, offset } of client.reader({ topic: 'many', from: 'earliest', untilEnd: true })) {
      expect(offset).toBe(next[queue]);
      next[queue] = offset + 1;
    }
    expect(next).toEqual([40, 40, 40]);
    await expect(read({ topic: 'many', from: 5 })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('follows from the latest record, ends by its signal, and can be left', async () => {
    await fill('one', 0, 10);
    const stop = new AbortController();
    const values: string[] = [];
    const reading = (async () => {
      for await (const { value } of client.reader({ topic: 'one', from: 'latest', signal: stop.signal }))
        values.push(value.toString());
    })();
    await sleep(100);
    await fill('one', 10, 20);
    await sleep(50);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(values).toEqual(numbers(10, 20));
    for await (const { offset } of client.reader({ topic: 'one', from: 'earliest' })) if (offset === 5) break;
  });

  it('reads from a time: the first record of then or later, in the middle of a batch too', async () => {
    await using producer = client.producer({ lingerMs: 20 });
    const times = [100, 90, 200, 150, 300, 310];
    await Promise.all(times.map((timestampMs, at) => producer.send('one', { value: String(at), timestampMs })));
    const from = (start: ReaderOptions['from']) => read({ topic: 'one', from: start, untilEnd: true });
    expect(await from({ timeMs: 0 })).toEqual(numbers(0, 6));
    expect(await from({ timeMs: 101 })).toEqual(numbers(2, 6));
    expect(await from(new Date(300))).toEqual(numbers(4, 6));
    expect(await from({ timeMs: 311 })).toEqual([]);
    await expect(from(new Date('nonsense'))).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await expect(from({ timeMs: 0.5 })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('that found nothing of its time yet goes on where the end was, over breaks', async () => {
    await fill('one', 0, 5);
    const values: string[] = [];
    const reading = (async () => {
      for await (const { value } of client.reader({ topic: 'one', from: { timeMs: Date.now() + 1_000_000 }, until: 8 }))
        values.push(value.toString());
    })();
    await sleep(100);
    const node = cluster.nodes[cluster.leader];
    await node?.stop();
    cluster.move();
    await fill('one', 5, 8);
    await reading;
    await node?.start();
    expect(values).toEqual(numbers(5, 8));
  });

  it('says what is wrong', async () => {
    await expect(read({ topic: 'none', from: 0 })).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    await expect(read({ topic: 'one', queue: 1, from: 0 })).rejects.toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    await expect(read({ topic: 'one', from: 5 })).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
    await expect(read({ topic: 'one', from: -1 })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('does not skip offsets in silence', async () => {
    await fill('one', 0, 50);
    cluster.topics.get('one')?.queues[0]?.splice(2, 1);
    await expect(read({ topic: 'one', from: 0, untilEnd: true })).rejects.toMatchObject({ reason: 'OFFSET_NOT_RETAINED' });
  });

  it('ends with CLOSED when the client closes', async () => {
    const reading = read({ topic: 'many', from: 'earliest' });
    const outcome = expect(reading).rejects.toMatchObject({ reason: 'CLOSED' });
    await sleep(100);
    await client.close();
    await outcome;
  });
});
