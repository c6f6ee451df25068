/** Where in a queue a time is: proto/lograft/v1/log.proto, ReadRequest.from_time_ms. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QueueState } from '../../../src/broker/queue-state.ts';
import { RecordSetCodec } from '../../../src/rpc/protos.ts';
import { greatestTimestampMs, recordsBefore } from '../../../src/rpc/record-set.ts';
import { Fixture, placed, settled } from './state-fixture.ts';

const queueOf = ({ state }: Fixture): QueueState => state.topics.byId(1)?.queues.get(0) as QueueState;

/** Base offset of the batch where a time is; undefined: after the last. */
const located = async (fixture: Fixture, timeMs: number): Promise<number | undefined> =>
  (await queueOf(fixture).locateTime(timeMs, fixture.keyed))?.baseOffset;

describe('the timestamps of encoded records', () => {
  const timestamp = fc.oneof(fc.nat(20), fc.maxSafeNat(), fc.integer({ min: -(2 ** 40), max: -1 }));
  const header = fc.record({
    name: fc.string({ maxLength: 5 }),
    value: fc.uint8Array({ maxLength: 5 }).map((value) => Buffer.from(value)),
  });
  const record = fc.record({
    key: fc.uint8Array({ maxLength: 200 }).map((key) => Buffer.from(key)),
    value: fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)),
    timestampMs: timestamp,
    headers: fc.array(header, { maxLength: 2 }),
  });

  it('are found among everything else', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), timestamp, (records, timeMs) => {
        const encoded = RecordSetCodec.encode({ records });
        const times = records.map(({ timestampMs }) => Math.max(0, timestampMs));
        expect(greatestTimestampMs(encoded)).toBe(Math.max(0, ...times));
        expect(recordsBefore(timeMs, encoded)).toBe(
          Math.max(
            0,
            times.findIndex((time) => time >= timeMs),
          ),
        );
      }),
    );
  });

  it('never lead out of what is damaged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(greatestTimestampMs(bytes)).toBeGreaterThanOrEqual(0);
        expect(recordsBefore(1, bytes)).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe('a time in a queue', () => {
  it('is the first batch with a record of then or later, and the end when there is none', async () => {
    const fixture = await Fixture.open();
    fixture.command(placed(1));
    expect(await located(fixture, 0)).toBeUndefined();
    for (const times of [[100, 90], [95], [110, 300, 120], [130], [310]]) fixture.timed(...times);
    for (const [timeMs, offset] of [
      [-5, 0],
      [100, 0],
      [101, 3],
      [300, 3],
      [301, 7],
      [310, 7],
      [311, undefined],
    ] as const)
      expect(await located(fixture, timeMs)).toBe(offset);
  });

  it('is the same out of memory and out of the store, after a trim, a restart and from a snapshot', async () => {
    const step = fc.record({ times: fc.array(fc.nat(40), { minLength: 1, maxLength: 3 }), checkpoint: fc.boolean() });
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.nat(25), async (steps, cut) => {
      const live = await Fixture.open();
      live.command(placed(1));
      const checkpoints: { readonly index: number; readonly greatestMs: number }[] = [];
      const firstWith = new Map<number, number>();
      let offset = 0;
      for (const { times, checkpoint } of steps) {
        for (let time = 0; time <= Math.max(...times); time += 1) if (!firstWith.has(time)) firstWith.set(time, offset);
        live.timed(...times);
        offset += times.length;
        if (checkpoint) {
          live.command({ checkpoint: { wallMs: 1 } });
          checkpoints.push({ index: live.index, greatestMs: queueOf(live).greatestMs });
        }
      }
      const check = async (fixture: Fixture): Promise<void> => {
        const { firstOffset, nextOffset } = queueOf(fixture);
        for (let time = 0; time <= 41; time += 1) {
          const first = Math.max(firstWith.get(time) ?? nextOffset, firstOffset);
          expect(await located(fixture, time)).toBe(first === nextOffset ? undefined : first);
        }
      };
      await check(live);
      const at = checkpoints[cut % Math.max(1, checkpoints.length)];
      if (at !== undefined) {
        const late = await live.restored(at.index);
        expect(queueOf(late).greatestMs).toBe(at.greatestMs);
        // A time of before has its place at the first batch that the late one holds, as it has for who has trimmed the rest.
        const { nextOffset } = queueOf(late);
        late.timed(0);
        expect(await located(late, at.greatestMs)).toBe(nextOffset);
        expect(await located(late, at.greatestMs + 1)).toBeUndefined();
        live.command({ trim: { index: at.index } });
        await check(live);
      }
      await settled();
      await check(await Fixture.open(live.keyed, live.index));
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('is found among many batches that are stored only', async () => {
    const fixture = await Fixture.open();
    fixture.command(placed(1));
    for (let at = 0; at < 4_000; at += 1) {
      fixture.timed(at * 10, at * 10 + 5);
      if (at % 1_000 === 999) await settled();
    }
    await settled();
    for (const timeMs of [1, 5, 6, 9_995, 20_001, 39_995])
      expect(await located(fixture, timeMs)).toBe(2 * Math.max(0, Math.ceil((timeMs - 5) / 10)));
    expect(await located(fixture, 39_996)).toBeUndefined();
  });
});
