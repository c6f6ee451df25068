/** The offsets that consumer groups commit, as a part of the replicated state. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConsumerOffsets } from '../../../src/broker/consumer-offsets.ts';
import { CONSUMER_GROUP_KEPT_MS, MAX_CONSUMER_GROUPS, MAX_CONSUMER_OFFSETS } from '../../../src/broker/limits.ts';
import { Fixture, placed, settled } from './state-fixture.ts';

type Commit = { readonly queue?: number; readonly topicId?: number; readonly offset: number };

function commit(fixture: Fixture, consumerGroup: string, offsets: readonly Commit[], reset = false) {
  return fixture.command({
    commitOffsets: { consumerGroup, offsets: offsets.map((offset) => ({ topicId: 1, queue: 0, ...offset })), reset },
  });
}

const offsetsOf = ({ state }: Fixture, name: string): (readonly number[])[] =>
  state.consumers.of(name).map(({ topicId, queue, offset }) => [topicId, queue, offset]);

const storedKeys = ({ keyed }: Fixture): string[] => [...keyed.entries.keys()].filter((key) => /^(67|6f)/.test(key));

async function withRecords(queues: number, records: number): Promise<Fixture> {
  const fixture = await Fixture.open();
  fixture.command(placed(queues));
  for (let queue = 0; queue < queues; queue += 1) fixture.batch({ queue, count: records });
  return fixture;
}

describe('committed offsets', () => {
  it('go up by commits in whatever order, and down by a reset only', async () => {
    const fixture = await withRecords(2, 10);
    expect(commit(fixture, 'billing', [{ offset: 3 }, { queue: 1, offset: 7 }])).toEqual({ type: 'nothing' });
    expect(commit(fixture, 'billing', [{ offset: 2 }, { queue: 1, offset: 8 }])).toEqual({ type: 'nothing' });
    expect(offsetsOf(fixture, 'billing')).toEqual([
      [1, 0, 3],
      [1, 1, 8],
    ]);
    commit(fixture, 'billing', [{ offset: 0 }], true);
    expect(offsetsOf(fixture, 'billing')).toEqual([
      [1, 0, 0],
      [1, 1, 8],
    ]);
    expect(offsetsOf(fixture, 'other')).toEqual([]);
  });

  it('are taken all or none, and only where records are or will be next', async () => {
    const fixture = await withRecords(1, 10);
    expect(commit(fixture, 'g', [{ offset: 10 }, { offset: 11 }])).toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
    expect(commit(fixture, 'g', [{ offset: 1 }, { topicId: 9, offset: 0 }])).toMatchObject({ reason: 'UNKNOWN_TOPIC' });
    expect(commit(fixture, 'g', [{ offset: 1 }, { queue: 1, offset: 0 }])).toMatchObject({ reason: 'UNKNOWN_QUEUE' });
    expect(offsetsOf(fixture, 'g')).toEqual([]);
    commit(fixture, 'g', [{ offset: 10 }]);
    expect(offsetsOf(fixture, 'g')).toEqual([[1, 0, 10]]);
  });

  it('end with their topic, on the disk too', async () => {
    const fixture = await withRecords(2, 10);
    const other = { id: 2, name: 'other', queueCount: 1, queues: [0] };
    fixture.command({ placeTopics: { revision: 2, topics: [other] } });
    commit(fixture, 'both', [{ offset: 1 }, { topicId: 2, offset: 0 }]);
    commit(fixture, 'one', [{ offset: 1 }]);
    await settled();
    expect(storedKeys(fixture)).toHaveLength(5);
    fixture.command({ placeTopics: { revision: 3, droppedIds: [1] } });
    expect(offsetsOf(fixture, 'both')).toEqual([[2, 0, 0]]);
    expect(offsetsOf(fixture, 'one')).toEqual([]);
    await settled();
    expect(storedKeys(fixture)).toHaveLength(2);
  });

  it('end when the consumer group was idle for long, counted between checkpoints after its last commit', async () => {
    const fixture = await withRecords(1, 10);
    const checkpoint = (wallMs: number) => fixture.command({ checkpoint: { wallMs } });
    commit(fixture, 'idle', [{ offset: 1 }]);
    commit(fixture, 'busy', [{ offset: 1 }]);
    // A clock that leaps ends nobody who has committed since the last checkpoint.
    checkpoint(1_000_000_000);
    commit(fixture, 'busy', [{ offset: 1 }]);
    checkpoint(1_000_000_000 + CONSUMER_GROUP_KEPT_MS - 1);
    expect(offsetsOf(fixture, 'idle')).toHaveLength(1);
    commit(fixture, 'busy', [{ offset: 1 }]);
    checkpoint(1_000_000_000 + CONSUMER_GROUP_KEPT_MS);
    expect(offsetsOf(fixture, 'idle')).toEqual([]);
    expect(offsetsOf(fixture, 'busy')).toEqual([[1, 0, 1]]);
    await settled();
    expect(storedKeys(fixture)).toHaveLength(2);
  });

  it('are stored when the name comes back in the round in which it ended', async () => {
    const fixture = await withRecords(1, 10);
    commit(fixture, 'g', [{ offset: 1 }]);
    await settled();
    fixture.command({ checkpoint: { wallMs: 1 } });
    fixture.command({ checkpoint: { wallMs: 1 + CONSUMER_GROUP_KEPT_MS } });
    expect(offsetsOf(fixture, 'g')).toEqual([]);
    commit(fixture, 'g', [{ offset: 2 }]);
    await settled();
    const again = await Fixture.open(fixture.keyed, fixture.index);
    expect(offsetsOf(again, 'g')).toEqual([[1, 0, 2]]);
  });

  it('are refused beyond their limits, and those that are there go on', () => {
    const consumers = new ConsumerOffsets();
    const at = (queue: number, offset = 0) => ({ topicId: 1, queue, offset });
    for (let name = 0; name < MAX_CONSUMER_GROUPS; name += 1) consumers.commit(`g${name}`, [at(0)], false);
    expect(consumers.hasRoomFor('one more', [at(0)])).toBe(false);
    expect(consumers.hasRoomFor('g0', [at(1)])).toBe(true);
    const room = MAX_CONSUMER_OFFSETS - MAX_CONSUMER_GROUPS;
    consumers.commit(
      'g0',
      Array.from({ length: room }, (_, queue) => at(queue + 1)),
      false,
    );
    expect(consumers.hasRoomFor('g1', [at(1)])).toBe(false);
    expect(consumers.hasRoomFor('g1', [at(0, 5)])).toBe(true);
    consumers.forgetTopics(new Set([1]));
    expect(consumers.hasRoomFor('one more', [at(0)])).toBe(true);
    expect(consumers.image()).toEqual([]);
  });
});

describe('the offsets of consumer groups', () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        name: fc.constantFrom('a', 'b', 'c.c'),
        queue: fc.nat(2),
        offset: fc.nat(12),
        reset: fc.boolean(),
      }),
    },
    fc.record({ wallMs: fc.nat(3).map((months) => months * CONSUMER_GROUP_KEPT_MS + 1) }),
    fc.constant({ pause: true as const }),
  );

  it('are the same after a restart at any moment, and from a snapshot', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const live = await withRecords(3, 10);
      const acts: ((fixture: Fixture) => unknown)[] = [];
      let checkpoint = 0;
      for (const one of steps) {
        if ('pause' in one) {
          await settled();
          continue;
        }
        const act = (fixture: Fixture) =>
          'wallMs' in one ? fixture.command({ checkpoint: one }) : commit(fixture, one.name, [one], one.reset);
        act(live);
        acts.push(act);
        if ('wallMs' in one) checkpoint = live.index;
      }
      const first = live.index - acts.length;
      const replay = (fixture: Fixture): void => {
        for (const act of acts.slice(fixture.index - first)) act(fixture);
        expect(fixture.state.consumers.image()).toEqual(live.state.consumers.image());
      };
      const again = await Fixture.open(live.keyed);
      again.index = again.state.appliedIndex;
      if (again.index >= first) replay(again);
      if (checkpoint === 0) return;
      const restored = await live.restored(checkpoint);
      replay(restored);
      await settled();
      const reopened = await Fixture.open(restored.keyed, restored.index);
      expect(reopened.state.consumers.image()).toEqual(live.state.consumers.image());
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
