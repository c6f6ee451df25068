/** Checkpoints, trims and snapshots of the replicated state. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MAX_MARKS } from '../../../src/broker/limits.ts';
import { type Mark, Marks, markValue, readMark } from '../../../src/broker/marks.ts';
import { MemoryKeyedState } from '../memory-keyed-state.ts';
import { Fixture, placed, settled } from './state-fixture.ts';

describe('a trim', () => {
  it('moves the first offset of every queue to where it was at the checkpoint, and no further', async () => {
    const fixture = await Fixture.open();
    fixture.command(placed(2));
    for (let at = 0; at < 5; at += 1) fixture.batch({ count: 3 });
    fixture.command({ checkpoint: { wallMs: 1 } });
    const checkpoint = fixture.index;
    fixture.batch({ count: 4 });
    fixture.batch({ count: 4, queue: 1 });
    fixture.command({ trim: { index: checkpoint } });
    expect(fixture.queues()).toEqual([
      [
        [15, 19],
        [0, 4],
      ],
    ]);
    expect(fixture.trimmed).toEqual([checkpoint]);
  });

  it('at something that is no checkpoint changes nothing', async () => {
    const fixture = await Fixture.open();
    fixture.command(placed(1));
    fixture.batch({});
    fixture.command({ trim: { index: 2 } });
    expect(fixture.queues()).toEqual([[[0, 1]]]);
    expect(fixture.trimmed).toEqual([]);
  });

  it('takes the index of what is gone out of the store, and leaves the rest', async () => {
    const fixture = await Fixture.open();
    fixture.command(placed(1));
    for (let at = 0; at < 2_500; at += 1) fixture.batch({});
    fixture.command({ checkpoint: { wallMs: 1 } });
    const checkpoint = fixture.index;
    for (let at = 0; at < 10; at += 1) fixture.batch({});
    await settled();
    const rows = () => [...fixture.keyed.entries.keys()].filter((key) => key.startsWith('69')).length;
    expect(rows()).toBe(2_510);
    fixture.command({ trim: { index: checkpoint } });
    await vi.waitFor(() => expect(rows()).toBe(10));
    const again = await Fixture.open(fixture.keyed);
    expect(again.queues()).toEqual([[[2_500, 2_510]]]);
    expect(again.state.marks.all().map(({ index }) => index)).toEqual([checkpoint]);
  });
});

describe('a snapshot', () => {
  it('has the same bytes on every replica', async () => {
    const one = await Fixture.open();
    const other = await Fixture.open();
    for (const fixture of [one, other]) {
      fixture.command(placed(3));
      fixture.command({ openProducer: {} });
      fixture.batch({ producerId: 2, firstSequence: 0, count: 2 });
      fixture.command({ createTopic: { name: 'catalogued', queueGroups: ['g1', 'g2'] } });
      if (fixture === one) await settled();
      fixture.command({ checkpoint: { wallMs: 77 } });
    }
    expect(one.snapshots.get(5)).toEqual(other.snapshots.get(5));
    const restored = await one.restored(5);
    expect(restored.state.catalogue).toMatchObject({ revision: 4, lastId: 1 });
    expect([...restored.state.catalogue.topics.values()]).toEqual([{ id: 1, name: 'catalogued', queueGroups: ['g1', 'g2'] }]);
    expect(restored.state.placedRevision).toBe(1);
    const again = await Fixture.open(restored.keyed, 5);
    expect(again.state.catalogue.byName('catalogued')?.id).toBe(1);
  });

  it('lets a replica go on as if it had applied everything: offsets, producers, checkpoints', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            producer: fc.integer({ min: 0, max: 2 }),
            sequence: fc.integer({ min: 0, max: 5 }),
            queue: fc.integer({ min: 0, max: 1 }),
          }),
          {
            maxLength: 40,
          },
        ),
        fc.integer({ min: 0, max: 40 }),
        async (steps, cut) => {
          const live = await Fixture.open();
          live.command(placed(2));
          for (let producer = 0; producer < 2; producer += 1) live.command({ openProducer: {} });
          let checkpoint = 0;
          const tail: (typeof steps)[number][] = [];
          const results: unknown[] = [];
          steps.forEach((step, at) => {
            if (at === Math.min(cut, steps.length - 1)) {
              live.command({ checkpoint: { wallMs: at } });
              checkpoint = live.index;
            }
            const result = live.batch({
              producerId: step.producer === 0 ? 0 : step.producer + 1,
              firstSequence: step.sequence,
              queue: step.queue,
            });
            if (checkpoint > 0) {
              tail.push(step);
              results.push(result);
            }
          });
          if (checkpoint === 0) return;
          const other = await live.restored(checkpoint);
          const replayed = tail.map((step) =>
            other.batch({
              producerId: step.producer === 0 ? 0 : step.producer + 1,
              firstSequence: step.sequence,
              queue: step.queue,
            }),
          );
          expect(replayed).toEqual(results);
          const ends = (fixture: Fixture) => fixture.queues().map((queues) => queues.map(([, next]) => next));
          expect(ends(other)).toEqual(ends(live));
          live.command({ checkpoint: { wallMs: 1_000 } });
          other.command({ checkpoint: { wallMs: 1_000 } });
          expect(other.snapshots.get(live.index)).toEqual(live.snapshots.get(live.index));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('replaces everything, is durable, and is taken for nothing when it was interrupted', async () => {
    const source = await Fixture.open();
    source.command(placed(1));
    for (let at = 0; at < 20; at += 1) source.batch({ count: 2 });
    source.command({ checkpoint: { wallMs: 5 } });
    const { index } = source;
    const stale = new MemoryKeyedState();
    const old = await Fixture.open(stale);
    old.command(placed(1));
    for (let at = 0; at < 5; at += 1) old.batch({ count: 2 });
    await settled();
    const target = await source.restored(index, old.keyed);
    expect(target.queues()).toEqual([[[40, 40]]]);
    expect([...target.keyed.entries.keys()].filter((key) => key.startsWith('69'))).toEqual([]);
    const again = await Fixture.open(target.keyed, index);
    expect(again.queues()).toEqual([[[40, 40]]]);
    expect(again.state.appliedIndex).toBe(index);
    // As a crash between clearing and the last batch leaves it.
    again.keyed.entries.delete(Buffer.from('a').toString('hex'));
    const interrupted = await Fixture.open(again.keyed);
    expect(interrupted.state.appliedIndex).toBe(0);
    expect(interrupted.keyed.entries.size).toBe(0);
  });
});

describe('marks', () => {
  const mark = (index: number, wallMs: number): Mark => ({ index, wallMs, appliedBytes: index * 10, queues: [] });

  it('stay within their limit, keep the first and the last, and spread over the time', () => {
    const marks = new Marks([]);
    for (let at = 1; at <= 1_000; at += 1) marks.add(mark(at, at * 1_000));
    const all = marks.all();
    expect(all).toHaveLength(MAX_MARKS);
    expect(all[0]?.index).toBe(1);
    expect(all.at(-1)?.index).toBe(1_000);
    const gaps = all.slice(1).map(({ wallMs }, at) => wallMs - (all[at]?.wallMs ?? 0));
    expect(Math.max(...gaps)).toBeLessThan((4 * 1_000_000) / MAX_MARKS);
  });

  it('are read as they were written', () => {
    const one = { index: 9, wallMs: 2 ** 41, appliedBytes: 2 ** 45, queues: [{ topicId: 3, queue: 2, nextOffset: 2 ** 40 }] };
    expect(readMark(9, markValue(one))).toEqual(one);
  });
});
