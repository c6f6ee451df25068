import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LograftClient, LograftError, type Producer } from '../../../src/client/index.ts';
import { FakeCluster, type Fault, sleep } from './fake-cluster.ts';

let cluster: FakeCluster;
let client: LograftClient;

beforeEach(async () => {
  cluster = await FakeCluster.start();
  cluster.createTopic('t', 2);
  client = new LograftClient({ routers: [cluster.routerAddress] });
});

afterEach(async () => {
  cluster.fault = () => ({ type: 'none' });
  await client.close();
  await cluster.stop();
});

/** Sends `count` numbered records to each queue; gives where each was stored, or why not. */
async function sendNumbered(producer: Producer, queues: number, count: number): Promise<(number | LograftError)[][]> {
  const outcomes: (number | LograftError)[][] = Array.from({ length: queues }, () => []);
  const sends: Promise<void>[] = [];
  for (let serial = 0; serial < count; serial += 1) {
    for (let queue = 0; queue < queues; queue += 1) {
      await producer.ready();
      sends.push(
        producer
          .send('t', { queue, value: `${serial}` })
          .then(
            ({ offset }) => offset,
            (error: LograftError) => error,
          )
          .then((outcome) => {
            (outcomes[queue] as unknown[])[serial] = outcome;
          }),
      );
    }
    if (serial % 7 === 0) await sleep(0);
  }
  await Promise.all(sends);
  return outcomes;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at}`);
const offsets = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** Refuses, breaks or moves some batches; the same ones for the same seed. */
function randomFaults(seed: number, share: number): (queue: number) => Fault {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const faults: readonly Fault[] = [
    { type: 'dropBefore' },
    { type: 'dropAfter' },
    { type: 'moveBefore' },
    { type: 'moveAfter' },
    { type: 'slow', ms: 3 },
    { type: 'refuse', error: new LograftError('OVERLOADED', 'too much') },
  ];
  return () => (next() < share ? (faults[Math.floor(next() * faults.length)] as Fault) : { type: 'none' });
}

describe('a producer', () => {
  it('stores records in order and says where', async () => {
    await using producer = client.producer();
    expect(await sendNumbered(producer, 2, 500)).toEqual([offsets(500), offsets(500)]);
    expect(cluster.values('t', 0)).toEqual(numbers(500));
    expect(producer.stats).toMatchObject({ inFlightRecords: 0, inFlightBytes: 0, acknowledgedRecords: 1_000, retries: 0 });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('loses, repeats and reorders nothing over breaks and moves (seed %i)', async (seed) => {
    cluster.fault = randomFaults(seed, 0.12);
    await using producer = client.producer({ batchBytes: 60, maxInFlightBatches: 8 });
    const outcomes = await sendNumbered(producer, 2, 300);
    expect(outcomes).toEqual([offsets(300), offsets(300)]);
    expect([cluster.values('t', 0), cluster.values('t', 1)]).toEqual([numbers(300), numbers(300)]);
    expect(producer.stats.retries).toBeGreaterThan(0);
  });

  it('goes on at the next leader at once when the leader dies', async () => {
    await using producer = client.producer();
    await producer.send('t', { queue: 0, value: '0' });
    const killed = cluster.nodes[cluster.leader]?.stop();
    const sending = producer.send('t', { queue: 0, value: '1' });
    await killed;
    await sleep(50);
    const from = performance.now();
    cluster.move();
    await expect(sending).resolves.toEqual({ queue: 0, offset: 1 });
    expect(performance.now() - from).toBeLessThan(80);
    expect(cluster.values('t', 0)).toEqual(['0', '1']);
  });

  it('finds the leader without a router', async () => {
    await using producer = client.producer();
    await producer.send('t', { queue: 0, value: '0' });
    await cluster.router?.stop();
    cluster.router = undefined;
    await cluster.nodes[cluster.leader]?.stop();
    cluster.move();
    await expect(producer.send('t', { queue: 0, value: '1' })).resolves.toEqual({ queue: 0, offset: 1 });
  });

  it('leaves a leader that is silent when the route names another', async () => {
    await using producer = client.producer();
    await producer.send('t', { queue: 0, value: '0' });
    cluster.fault = () => ({ type: 'ignore' });
    const sending = producer.send('t', { queue: 0, value: '1' });
    await sleep(50);
    cluster.fault = () => ({ type: 'none' });
    cluster.move();
    await expect(sending).resolves.toEqual({ queue: 0, offset: 1 });
  });

  it('sends again in order after OVERLOADED, though what is behind comes back out of sequence', async () => {
    let refusals = 3;
    cluster.fault = () =>
      refusals-- > 0 ? { type: 'refuse', error: new LograftError('OVERLOADED', 'too much') } : { type: 'none' };
    await using producer = client.producer({ batchBytes: 60 });
    expect(await sendNumbered(producer, 1, 100)).toEqual([offsets(100)]);
    expect(cluster.values('t', 0)).toEqual(numbers(100));
    expect(cluster.sessionsOpened).toBe(1);
  });

  it('rejects a batch that is refused for good, and stores what is behind it, once and in order', async () => {
    const broken = new Set<number>();
    cluster.fault = (_, first) => {
      if (first < 30 || broken.size > 0) return { type: 'none' };
      broken.add(first);
      return { type: 'refuse', error: new LograftError('BATCH_TOO_LARGE', 'too large here') };
    };
    await using producer = client.producer({ batchBytes: 60 });
    const [outcomes = []] = await sendNumbered(producer, 1, 100);
    const refused = outcomes.flatMap((outcome, serial) => (outcome instanceof LograftError ? [`${serial}`] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(20);
    expect(outcomes.find((outcome) => outcome instanceof LograftError)).toMatchObject({
      reason: 'BATCH_TOO_LARGE',
      retry: 'never',
    });
    expect(cluster.values('t', 0)).toEqual(numbers(100).filter((value) => !refused.includes(value)));
    expect(cluster.sessionsOpened).toBe(2);
  });

  it.each([11, 12, 13, 14])('keeps that true while streams break too (seed %i)', async (seed) => {
    const random = randomFaults(seed, 0.15);
    let refusals = 0;
    cluster.fault = (queue) => {
      const fault = random(queue);
      if (fault.type !== 'slow' || refusals >= 5) return fault;
      refusals += 1;
      return { type: 'refuse', error: new LograftError('INVALID_REQUEST', 'not this one') };
    };
    await using producer = client.producer({ batchBytes: 60, maxInFlightBatches: 8 });
    const [outcomes = []] = await sendNumbered(producer, 1, 300);
    const stored = cluster.values('t', 0);
    expect(new Set(stored).size).toBe(stored.length);
    expect(stored).toEqual([...stored].sort((a, b) => Number(a) - Number(b)));
    outcomes.forEach((outcome, serial) => {
      if (typeof outcome === 'number') expect(stored[outcome]).toBe(`${serial}`);
    });
    expect(outcomes.filter((outcome) => typeof outcome !== 'number').length).toBeLessThan(60);
  });

  it('opens a new session when its own is forgotten', async () => {
    await using producer = client.producer();
    await producer.send('t', { queue: 0, value: '0' });
    cluster.sessions.clear();
    expect(await producer.send('t', { queue: 0, value: '1' })).toEqual({ queue: 0, offset: 1 });
    expect(cluster.sessionsOpened).toBe(2);
  });

  it.each([11, 12, 13, 14])(
    'with a name does not fence itself over breaks, moves and forgotten sessions (seed %i)',
    async (seed) => {
      const faults = randomFaults(seed, 0.12);
      let batches = 0;
      cluster.fault = () => {
        batches += 1;
        if (batches % 20 === 0) cluster.sessions.clear();
        return faults(0);
      };
      await using producer = client.producer({ name: 'billing', batchBytes: 60, maxInFlightBatches: 4 });
      const outcomes = await sendNumbered(producer, 2, 200);
      for (const outcome of outcomes.flat()) if (typeof outcome !== 'number') expect(outcome.reason).toBe('OUTCOME_UNKNOWN');
      expect(cluster.epochsTaken).toBe(1);
      const stored = [cluster.values('t', 0), cluster.values('t', 1)].map((values) => values.map(Number));
      for (const values of stored) expect(values).toEqual([...new Set(values)].sort((one, other) => one - other));
      expect(cluster.sessionsOpened).toBeGreaterThan(5);
    },
  );

  it('is fenced by a later one of its name: everything rejects, and it is closed', async () => {
    const older = client.producer({ name: 'billing' });
    await older.send('t', { queue: 0, value: 'old' });
    await using newer = client.producer({ name: 'billing' });
    await newer.send('t', { queue: 1, value: 'new' });
    const late = await Promise.allSettled([
      older.send('t', { queue: 0, value: 'late' }),
      older.send('t', { queue: 1, value: 'late' }),
    ]);
    for (const outcome of late) expect(outcome).toMatchObject({ status: 'rejected', reason: { reason: 'FENCED', retry: 'never' } });
    await expect(older.send('t', { value: 'later' })).rejects.toMatchObject({ reason: 'FENCED' });
    expect(older.ready()).toBeUndefined();
    await older.close();
    await newer.send('t', { queue: 0, value: 'next' });
    expect([cluster.values('t', 0), cluster.values('t', 1)]).toEqual([['old', 'next'], ['new']]);
  });

  it('is fenced when it needs a new session, too', async () => {
    const older = client.producer({ name: 'billing' });
    await older.send('t', { queue: 0, value: 'old' });
    await using newer = client.producer({ name: 'billing' });
    await newer.send('t', { queue: 0, value: 'new' });
    cluster.sessions.delete(1);
    await expect(older.send('t', { queue: 0, value: 'late' })).rejects.toMatchObject({ reason: 'FENCED' });
    expect(cluster.values('t', 0)).toEqual(['old', 'new']);
  });

  it('takes over before it sends, and learns where the one before it ended', async () => {
    const older = client.producer({ name: 'billing' });
    for (const value of ['a', 'b', 'c']) await older.send('t', { queue: 0, value });
    await using newer = client.producer({ name: 'billing' });
    expect(await newer.takeOver('t')).toEqual([
      { queue: 0, offset: 2 },
      { queue: 1, offset: undefined },
    ]);
    await expect(older.send('t', { queue: 1, value: 'd' })).rejects.toMatchObject({ reason: 'FENCED' });
    expect(await newer.send('t', { queue: 0, value: 'd' })).toEqual({ queue: 0, offset: 3 });
    await expect(older.takeOver('t')).rejects.toMatchObject({ reason: 'FENCED' });
    await expect(client.producer().takeOver('t')).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(() => client.producer({ name: 'x'.repeat(128) })).toThrow(/1 to 127/);
  });

  it('rejects after the delivery timeout saying that the outcome is unknown, and stores what follows in a new session', async () => {
    await using producer = client.producer({ deliveryTimeoutMs: 1_000 });
    await producer.send('t', { queue: 0, value: 'before' });
    cluster.fault = () => ({ type: 'ignore' });
    const error = await producer.send('t', { queue: 0, value: 'lost' }).catch((caught) => caught);
    expect(error).toMatchObject({ reason: 'TIMED_OUT', retry: 'sameBatch', message: expect.stringMatching(/outcome is unknown/) });
    cluster.fault = () => ({ type: 'none' });
    await producer.send('t', { queue: 0, value: 'after' });
    expect(cluster.values('t', 0)).toEqual(['before', 'after']);
    expect(cluster.sessionsOpened).toBe(2);
  });

  it('says NO_LEADER, safe to retry, for what was never sent, and the refusal where there was one', async () => {
    await using producer = client.producer({ deliveryTimeoutMs: 1_000 });
    await producer.send('t', { queue: 0, value: '0' });
    cluster.fault = () => ({ type: 'refuse', error: new LograftError('DISK_FULL', 'the disk is full') });
    await expect(producer.send('t', { queue: 0, value: '1' })).rejects.toMatchObject({ reason: 'DISK_FULL', retry: 'safe' });
    for (const node of cluster.nodes) await node.stop();
    await sleep(20);
    await expect(producer.send('t', { queue: 1, value: '1' })).rejects.toMatchObject({ reason: 'NO_LEADER', retry: 'safe' });
    expect(cluster.values('t', 0)).toEqual(['0']);
  });

  it('refuses what cannot be right before sending it', async () => {
    await using producer = client.producer();
    await expect(producer.send('t', { value: Buffer.alloc(4 * 1024 * 1024) })).rejects.toMatchObject({ reason: 'BATCH_TOO_LARGE' });
    await expect(producer.send('t', { queue: 2, value: '' })).rejects.toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    await expect(producer.send('none', { value: '' })).rejects.toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    await expect(producer.send('t', { value: '', timestampMs: -1 })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await expect(producer.send('t', { value: 5 as never })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(producer.stats.inFlightRecords).toBe(0);
    expect(() => client.producer({ maxInFlightBatches: 33 })).toThrow(/1 to 32/);
  });

  it('takes a record of almost 4 MiB', async () => {
    await using producer = client.producer();
    expect(await producer.send('t', { queue: 0, value: Buffer.alloc(4 * 1024 * 1024 - 200) })).toEqual({ queue: 0, offset: 0 });
  });

  it('sends the records of one key to one queue, and spreads those without', async () => {
    await using producer = client.producer({ batchBytes: 60 });
    const keyed = await Promise.all(numbers(20).map((value) => producer.send('t', { key: 'same', value })));
    expect(new Set(keyed.map(({ queue }) => queue)).size).toBe(1);
    const spread = await Promise.all(numbers(20).map((value) => producer.send('t', { value })));
    expect(new Set(spread.map(({ queue }) => queue)).size).toBe(2);
  });

  it('keeps the order of records sent before the topic was known', async () => {
    cluster.topics.set('quiet', { id: 99, queues: [[]] });
    await using producer = client.producer();
    await Promise.all(numbers(50).map((value) => producer.send('quiet', { value })));
    expect(cluster.values('quiet', 0)).toEqual(numbers(50));
  });

  it('asks to wait, and refuses beyond its bound', async () => {
    cluster.fault = () => ({ type: 'slow', ms: 5 });
    await using producer = client.producer({ bufferBytes: 20_000, batchBytes: 2_000 });
    const value = Buffer.alloc(1_000);
    let most = 0;
    const sends: Promise<unknown>[] = [];
    for (let at = 0; at < 100; at += 1) {
      await producer.ready();
      sends.push(producer.send('t', { queue: 0, value }));
      most = Math.max(most, producer.stats.inFlightBytes);
    }
    expect(most).toBeLessThan(22_000);
    await Promise.all(sends);
    const burst = await Promise.allSettled(Array.from({ length: 100 }, () => producer.send('t', { queue: 0, value })));
    const refused = burst.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
    expect(refused.length).toBeGreaterThan(50);
    expect(refused.every((error) => error.reason === 'OVERLOADED' && error.retry === 'safe')).toBe(true);
    expect(producer.ready()).toBeUndefined();
  });

  it('has at most maxInFlightBatches of a queue under way', async () => {
    let arrived = 0;
    cluster.fault = () => {
      arrived += 1;
      return { type: 'ignore' };
    };
    const stop = new AbortController();
    const producer = client.producer({ batchBytes: 60, maxInFlightBatches: 3, signal: stop.signal });
    const sends = numbers(100).map((value) => producer.send('t', { queue: 0, value }));
    await vi.waitFor(() => expect(arrived).toBe(3), { timeout: 5_000 });
    await sleep(100);
    expect(arrived).toBe(3);
    stop.abort();
    const outcomes = await Promise.allSettled(sends);
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason.reason === 'CANCELLED')).toBe(true);
  });

  it('flushes when it is closed, and takes nothing after', async () => {
    cluster.fault = () => ({ type: 'slow', ms: 5 });
    const producer = client.producer({ lingerMs: 10_000, batchBytes: 1_000 });
    const sends = numbers(300).map((value) => producer.send('t', { queue: 0, value }));
    const closing = client.close();
    await expect(producer.send('t', { value: 'late' })).rejects.toMatchObject({ reason: 'CLOSED' });
    await closing;
    expect((await Promise.all(sends)).map(({ offset }) => offset)).toEqual(offsets(300));
    await expect(client.route()).rejects.toMatchObject({ reason: 'CLOSED' });
  });

  it('completes every promise when it is closed without a cluster', async () => {
    await cluster.stop();
    const producer = client.producer({ deliveryTimeoutMs: 300 });
    const sends = [producer.send('t', { queue: 0, value: '' }), producer.send('other', { value: '' })];
    const settled = Promise.allSettled(sends);
    await producer.close();
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  });
});
