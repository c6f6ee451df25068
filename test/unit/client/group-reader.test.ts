/** Readers of consumer groups, and what an operator does with their offsets. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LograftClient, LograftError, type ReaderOptions } from '../../../src/client/index.ts';
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

async function fill(topic: string, from: number, to: number, queue = 0): Promise<void> {
  await using producer = client.producer({ batchBytes: 60 });
  await Promise.all(numbers(from, to).map((value) => producer.send(topic, { value, queue })));
}

type More = Partial<ReaderOptions>;

const billing = (more: More = {}): ReaderOptions => ({ topic: 'one', group: 'billing', from: 'committed', ...more });

async function readAll(options: ReaderOptions): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of client.reader({ ...options, untilEnd: true })) values.push(value.toString());
  return values;
}

const committed = async (group = 'billing') => (await client.admin.groupOffsets(group)).map(({ offset }) => offset);

describe('a reader of a consumer group', () => {
  it('goes on where the one before it ended', async () => {
    await fill('one', 0, 20);
    expect(await readAll(billing())).toEqual(numbers(0, 20));
    expect(await readAll(billing())).toEqual([]);
    await fill('one', 20, 25);
    expect(await readAll(billing({ group: 'other' }))).toEqual(numbers(0, 25));
    expect(await readAll(billing())).toEqual(numbers(20, 25));
    expect(await committed()).toEqual([25]);
  });

  it('begins where it is told when nothing is committed, and keeps that', async () => {
    await fill('one', 0, 10);
    expect(await readAll(billing({ orFrom: 'latest' }))).toEqual([]);
    await fill('one', 10, 12);
    expect(await readAll(billing({ orFrom: 'earliest' }))).toEqual(numbers(10, 12));
  });

  it('commits all queues of a topic', async () => {
    for (let queue = 0; queue < 3; queue += 1) await fill('many', 0, 4 + queue, queue);
    await readAll(billing({ topic: 'many' }));
    expect(await committed()).toEqual([4, 5, 6]);
  });

  it('gives the record again that was in hand when the loop was left, unless it was committed by hand', async () => {
    await fill('one', 0, 10);
    for await (const { offset } of client.reader(billing())) if (offset === 4) break;
    expect(await committed()).toEqual([4]);
    const reader = client.reader(billing());
    for await (const { offset } of reader) {
      if (offset !== 6) continue;
      await reader.commit();
      break;
    }
    expect(await committed()).toEqual([7]);
    const failing = async (): Promise<void> => {
      for await (const { offset } of client.reader(billing())) if (offset === 8) throw new Error('the work failed');
    };
    await expect(failing()).rejects.toThrow('the work failed');
    expect(await committed()).toEqual([8]);
  });

  it('commits by itself now and then, and what is done with when the client closes', async () => {
    await fill('one', 0, 3);
    const stop = new AbortController();
    const follow = async (signal?: AbortSignal): Promise<void> => {
      for await (const _ of client.reader(billing({ commitEveryMs: 20, ...(signal === undefined ? {} : { signal }) })));
    };
    const cancelled = expect(follow(stop.signal)).rejects.toMatchObject({ reason: 'CANCELLED' });
    // Asking for the fourth, it is done with the third.
    await vi.waitFor(async () => expect(await committed()).toEqual([3]));
    await fill('one', 3, 6);
    await vi.waitFor(async () => expect(await committed()).toEqual([6]));
    stop.abort();
    await cancelled;

    const reader = client.reader(billing({ commitEveryMs: 60_000 }));
    const readForEver = async (): Promise<void> => {
      for await (const _ of reader);
    };
    const closed = expect(readForEver()).rejects.toMatchObject({ reason: 'CLOSED' });
    await fill('one', 6, 9);
    await vi.waitFor(() => expect(reader.positions.get(0)).toBe(9));
    await client.close();
    await closed;
    client = new LograftClient({ routers: [cluster.routerAddress] });
    expect(await committed()).toEqual([9]);
  });

  it('commits what is done with when its signal aborts', async () => {
    await fill('one', 0, 5);
    const stop = new AbortController();
    const reader = client.reader(billing({ commitEveryMs: 60_000, signal: stop.signal }));
    const reading = (async () => {
      for await (const _ of reader);
    })();
    const outcome = expect(reading).rejects.toMatchObject({ reason: 'CANCELLED' });
    await vi.waitFor(() => expect(reader.positions.get(0)).toBe(5));
    stop.abort();
    await outcome;
    expect(await committed()).toEqual([5]);
  });

  it('commits by hand alone when it is asked to, what is told, and also after the loop', async () => {
    await fill('one', 0, 10);
    const reader = client.reader(billing({ commitEveryMs: 0, untilEnd: true }));
    for await (const { offset } of reader) {
      expect(reader.positions).toEqual(new Map([[0, offset + 1]]));
      if (offset === 5) await reader.commit(new Map([[0, 3]]));
    }
    expect(await committed()).toEqual([3]);
    await expect(reader.commit(new Map([[7, 3]]))).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await reader.commit();
    await reader.commit(new Map([[0, 2]]));
    expect(await committed()).toEqual([10]);
    expect(cluster.offsets.commits).toHaveLength(2);
  });

  it('commits over a change of leader, and goes on when a commit has to wait', async () => {
    await fill('one', 0, 40);
    let refused = 0;
    cluster.offsets.refusal = () => {
      refused += 1;
      return refused < 3 ? new LograftError('OUTCOME_UNKNOWN', 'leadership lost') : undefined;
    };
    let read = 0;
    for await (const _ of client.reader(billing({ untilEnd: true, commitEveryMs: 5 }))) {
      read += 1;
      if (read % 10 === 0) cluster.move();
      await sleep(2);
    }
    expect(read).toBe(40);
    expect(refused).toBeGreaterThanOrEqual(3);
    expect(await committed()).toEqual([40]);
  });

  it('ends when nothing of what it reads can ever be committed', async () => {
    await fill('one', 0, 3);
    cluster.offsets.refusal = () => new LograftError('INVALID_REQUEST', 'too many consumer groups');
    const follow = async (): Promise<void> => {
      for await (const _ of client.reader(billing({ commitEveryMs: 10 })));
    };
    await expect(follow()).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await expect(readAll(billing())).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('says what is wrong', async () => {
    const invalid = { reason: 'INVALID_REQUEST' };
    await expect(readAll({ topic: 'one', from: 'committed' })).rejects.toMatchObject(invalid);
    await expect(readAll({ topic: 'one', from: 'latest', group: 'g', orFrom: 'latest' })).rejects.toMatchObject(invalid);
    await expect(readAll({ topic: 'one', from: 'latest', commitEveryMs: 5 })).rejects.toMatchObject(invalid);
    await expect(readAll(billing({ commitEveryMs: -1 }))).rejects.toMatchObject(invalid);
    await expect(readAll(billing({ topic: 'many', orFrom: 7 }))).rejects.toMatchObject(invalid);
    await expect(readAll(billing({ topic: 'none' }))).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    await expect(client.reader({ topic: 'one', from: 0 }).commit()).rejects.toThrow(/without a consumer group/);
  });
});

describe('offsets of a consumer group', () => {
  it('are shown with what is left to read, for all queues of its topics', async () => {
    for (const queue of [0, 2]) await fill('many', 0, 10, queue);
    await fill('one', 0, 5);
    await readAll(billing());
    for await (const { offset } of client.reader(billing({ topic: 'many', queue: 2 }))) if (offset === 4) break;
    const held = { firstOffset: 0 };
    expect(await client.admin.groupOffsets('billing')).toEqual([
      { ...held, topic: 'many', queue: 0, offset: undefined, nextOffset: 10, lag: undefined },
      { ...held, topic: 'many', queue: 1, offset: undefined, nextOffset: 0, lag: undefined },
      { ...held, topic: 'many', queue: 2, offset: 4, nextOffset: 10, lag: 6 },
      { ...held, topic: 'one', queue: 0, offset: 5, nextOffset: 5, lag: 0 },
    ]);
    expect(await client.admin.groupOffsets('nobody')).toEqual([]);
  });

  it('are set back and forth', async () => {
    await using producer = client.producer();
    for (let at = 0; at < 10; at += 1) await producer.send('one', { value: `${at}`, timestampMs: 1_000 + at });
    const reset = async (to: ReaderOptions['from'], topic = 'one') => {
      if (to === 'committed') throw new Error('no place of its own');
      const set = await client.admin.resetOffsets('billing', topic, { to });
      expect(await committed()).toEqual(set.map(({ offset }) => offset));
      return set.map(({ offset }) => offset);
    };
    expect(await reset('latest')).toEqual([10]);
    expect(await reset(3)).toEqual([3]);
    expect(await reset(new Date(1_006))).toEqual([6]);
    expect(await reset({ timeMs: 5_000 })).toEqual([10]);
    expect(await reset('earliest')).toEqual([0]);
    expect(await readAll(billing())).toEqual(numbers(0, 10));
    await expect(reset(11)).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
    await expect(reset(0, 'many')).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    const elsewhere = client.admin.resetOffsets('billing', 'many', { to: 'latest', queue: 3 });
    await expect(elsewhere).rejects.toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    await expect(reset('earliest', 'none')).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
  });
});
