import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { BrokerState, type BrokerStateEvents } from '../../../src/broker/broker-state.ts';
import { KIND_BATCH, KIND_COMMAND } from '../../../src/broker/entry-kinds.ts';
import { PRODUCER_WINDOW_BATCHES } from '../../../src/broker/limits.ts';
import type { Topic } from '../../../src/broker/topics.ts';
import { type Entry, logIndex, term } from '../../../src/raft/types.ts';
import { CommandCodec, RecordBatchCodec } from '../../../src/rpc/protos.ts';
import { MemoryKeyedState } from '../memory-keyed-state.ts';

const NO_EVENTS: BrokerStateEvents = {
  onTopicsChanged: () => {},
  onCatalogueChanged: () => {},
  onCheckpoint: () => {},
  onTrimmed: () => {},
  whenDurable: () => true,
  onFailed: (error: Error) => expect.unreachable(error.message),
};

/** The group holds all queues of a topic with id 1. */
const placed = (name: string, queues: number) => ({
  placeTopics: { revision: 1, topics: [{ id: 1, name, queueCount: queues, queues: [...Array(queues).keys()] }] },
});

const ends = ({ queues }: Topic): number[] => [...queues.values()].map(({ nextOffset }) => nextOffset);

/** Rounds follow at once, so that a test need not wait for them. */
const clock = { ...systemClock, after: (_: number, task: () => void) => systemClock.after(0, task) };

class Log {
  readonly entries: Entry[] = [];

  add(kind: number, payload: Uint8Array): Entry {
    const entry = { term: term(1), index: logIndex(this.entries.length + 1), kind, payload };
    this.entries.push(entry);
    return entry;
  }

  command(command: Parameters<typeof CommandCodec.encode>[0]): Entry {
    return this.add(KIND_COMMAND, CommandCodec.encode(command));
  }

  batch(fields: { producerId?: number; firstSequence?: number; count?: number; topicId?: number; queue?: number }): Entry {
    return this.add(KIND_BATCH, RecordBatchCodec.encode({ topicId: 1, queue: 0, count: 1, ...fields }));
  }
}

describe('the replicated state of a group', () => {
  let keyed: MemoryKeyedState;
  let log: Log;
  let state: BrokerState;

  beforeEach(async () => {
    keyed = new MemoryKeyedState();
    log = new Log();
    state = await BrokerState.load(keyed, clock, NO_EVENTS);
  });

  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

  it('keeps the catalogue: names once, ids never twice, a revision for each change', () => {
    const create = (name: string, ...queueGroups: string[]) => state.apply(log.command({ createTopic: { name, queueGroups } }));
    expect(create('orders', 'g1', 'g2')).toEqual({
      type: 'catalogued',
      topic: { id: 1, name: 'orders', queueGroups: ['g1', 'g2'] },
    });
    expect(create('orders', 'g1')).toMatchObject({ reason: 'TOPIC_EXISTS' });
    expect(state.catalogue.revision).toBe(1);
    expect(state.apply(log.command({ addQueues: { topicId: 1, queueGroups: ['g2'] } }))).toMatchObject({ type: 'catalogued' });
    expect(state.catalogue.topics.get(1)?.queueGroups).toEqual(['g1', 'g2', 'g2']);
    expect(state.apply(log.command({ deleteTopic: { topicId: 1 } }))).toMatchObject({ type: 'catalogued' });
    expect(state.apply(log.command({ deleteTopic: { topicId: 1 } }))).toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    expect(create('orders', 'g1')).toMatchObject({ topic: { id: 2 } });
    expect(state.catalogue.revision).toBe(6);
    expect(state.topics.size).toBe(0);
  });

  it('holds the queues that it is given, and lets go of them when the topic is deleted', async () => {
    const place = (revision: number, queueCount: number, queues: number[]) =>
      log.command({ placeTopics: { revision, topics: [{ id: 1, name: 'orders', queueCount, queues }] } });
    state.apply(place(3, 4, [1, 3]));
    expect(state.apply(log.batch({ queue: 1, count: 2 }))).toMatchObject({ baseOffset: 0 });
    expect(state.apply(log.batch({ queue: 0 }))).toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    state.apply(place(5, 6, [1, 3, 5]));
    expect(state.apply(log.batch({ queue: 1 }))).toMatchObject({ baseOffset: 2 });
    expect(state.apply(log.batch({ queue: 5 }))).toMatchObject({ baseOffset: 0 });
    const reader = state.topics.byId(1)?.queues.get(3);
    const waiting = reader?.waitForAppend(0, new AbortController().signal);
    state.apply(log.command({ placeTopics: { revision: 8, droppedIds: [1] } }));
    await waiting;
    expect(reader?.dropped).toBe(true);
    expect(state.apply(log.batch({ queue: 1 }))).toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    // A leader that has yet to hear of the deletion.
    state.apply(place(7, 6, [1, 3, 5]));
    expect(state.topics.size).toBe(0);
    await vi.waitFor(() => expect([...keyed.entries.keys()].filter((key) => /^(69|71|74)/.test(key))).toEqual([]));
  });

  it('gives offsets without gaps, per queue', () => {
    state.apply(log.command(placed('orders', 2)));
    expect(state.apply(log.batch({ count: 3 }))).toEqual({ type: 'appended', baseOffset: 0 });
    expect(state.apply(log.batch({ count: 2, queue: 1 }))).toEqual({ type: 'appended', baseOffset: 0 });
    expect(state.apply(log.batch({ count: 2 }))).toEqual({ type: 'appended', baseOffset: 3 });
  });

  it('refuses what cannot be, the same on every replica', () => {
    state.apply(log.command(placed('orders', 1)));
    expect(state.apply(log.batch({ topicId: 2 }))).toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    expect(state.apply(log.batch({ queue: 1 }))).toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    expect(state.apply(log.batch({ producerId: 77 }))).toMatchObject({ reason: 'UNKNOWN_PRODUCER' });
  });

  it('returns the original offset for a repeated batch, and refuses gaps', () => {
    state.apply(log.command(placed('orders', 1)));
    const opened = state.apply(log.command({ openProducer: {} }));
    expect(opened).toEqual({ type: 'producerOpened', producerId: 2 });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 0, count: 5 }))).toMatchObject({ baseOffset: 0 });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 5, count: 1 }))).toMatchObject({ baseOffset: 5 });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 0, count: 5 }))).toMatchObject({ baseOffset: 0 });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 7, count: 1 }))).toMatchObject({ reason: 'OUT_OF_SEQUENCE' });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 6, count: 1 }))).toMatchObject({ baseOffset: 6 });
    expect(state.topics.byName('orders')?.queues.get(0)?.nextOffset).toBe(7);
  });

  it('remembers as many batches per producer and queue as it promises', () => {
    state.apply(log.command(placed('orders', 1)));
    state.apply(log.command({ openProducer: {} }));
    for (let at = 0; at <= PRODUCER_WINDOW_BATCHES; at += 1) state.apply(log.batch({ producerId: 2, firstSequence: at }));
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 0 }))).toMatchObject({ reason: 'DUPLICATE_TOO_OLD' });
    expect(state.apply(log.batch({ producerId: 2, firstSequence: 1 }))).toMatchObject({ baseOffset: 1 });
  });

  it('locates every offset, out of memory and out of the store', async () => {
    state.apply(log.command(placed('orders', 1)));
    const expected: number[] = [];
    for (let at = 0; at < 5_000; at += 1) {
      const count = 1 + (at % 3);
      const entry = log.batch({ count });
      state.apply(entry);
      for (let record = 0; record < count; record += 1) expected.push(entry.index);
      if (at % 500 === 0) await settled();
    }
    await settled();
    const queue = state.topics.byName('orders')?.queues.get(0);
    for (let offset = 0; offset < expected.length; offset += 37) {
      const [first] = (await queue?.locate(offset, 4, keyed)) ?? [];
      expect(first?.logIndex).toBe(expected[offset]);
    }
    expect(await queue?.locate(expected.length, 4, keyed)).toEqual([]);
  });

  it('is the same after a crash at any moment, replayed from what was stored', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            producer: fc.integer({ min: 0, max: 3 }),
            sequence: fc.integer({ min: 0, max: 6 }),
            queue: fc.integer({ min: 0, max: 2 }),
            pause: fc.boolean(),
          }),
          { maxLength: 60 },
        ),
        async (steps) => {
          const disk = new MemoryKeyedState();
          const entries = new Log();
          const live = await BrokerState.load(disk, clock, NO_EVENTS);
          const results = [live.apply(entries.command(placed('t', 2)))];
          for (let producer = 0; producer < 3; producer += 1) results.push(live.apply(entries.command({ openProducer: {} })));
          for (const { producer, sequence, queue, pause } of steps) {
            const producerId = producer === 0 ? 0 : producer + 1;
            results.push(live.apply(entries.batch({ producerId, firstSequence: sequence, queue })));
            // Lets a store round run now and then: the crash comes with some of it stored.
            if (pause) await settled();
          }
          disk.hold();
          const copy = new MemoryKeyedState();
          for (const [key, value] of disk.entries) copy.entries.set(key, value);
          const again = await BrokerState.load(copy, clock, NO_EVENTS);
          const from = again.appliedIndex;
          const replayed = entries.entries.slice(from).map((entry) => again.apply(entry));
          const plain = (result: object) => JSON.stringify(result, (key, value) => (key === 'topic' ? value.name : value));
          expect(replayed.map(plain)).toEqual(results.slice(from).map(plain));
          expect(again.topics.all().map((topic) => ends(topic))).toEqual(live.topics.all().map((topic) => ends(topic)));
          disk.release();
        },
      ),
      { numRuns: 60 },
    );
  });
});
