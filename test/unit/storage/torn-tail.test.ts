import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { KEPT, MemoryDisk, type Survival } from './memory-disk.ts';

const DURABLE = ['a', 'b', 'c'];

/** A log with three durable entries and vote n1 in term 4, and one more write on its way. */
async function interrupted(write: (fixture: LogFixture) => void): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.vote(4, 'n1');
  fixture.write(DURABLE);
  await fixture.flushed();
  await settle(40);
  // The first of the queued units goes out alone; hold it back, so that all of them are in one write.
  disk.beforeSync = () => new Promise(() => {});
  write(fixture);
  await settle();
  return disk;
}

/** What recovery may give: the durable entries, then whole entries of the write in order, and a vote that is not older. */
async function expectPrefix(disk: MemoryDisk, more: readonly string[]): Promise<number> {
  const { log, ...fixture } = await reopen(disk);
  const texts = await fixture.texts();
  expect(texts).toEqual([...DURABLE, ...more].slice(0, texts.length));
  expect(texts.length).toBeGreaterThanOrEqual(DURABLE.length);
  expect(log.restored.hardState).toEqual(texts.length > DURABLE.length ? { term: 5, vote: 'n2' } : { term: 4, vote: 'n1' });
  return texts.length;
}

async function reopen(disk: MemoryDisk): Promise<{ log: LogFixture['log']; texts: () => Promise<string[]> }> {
  const fixture = await LogFixture.open(disk);
  return { log: fixture.log, texts: () => fixture.texts() };
}

const MORE = ['d', 'e'.repeat(700), 'f'];
const writeMore = (fixture: LogFixture): void => {
  fixture.hardState = { ...fixture.hardState, term: 5 as never, vote: 'n2' as never };
  fixture.write(MORE);
};

test('cut after every byte of the last write: all of it or nothing of it', async () => {
  const disk = await interrupted(writeMore);
  const total = disk.contents(SEGMENT_1).pending.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(total).toBeGreaterThan(850);
  for (let kept = 0; kept <= total; kept++) {
    let left = kept;
    const survival: Survival = ({ bytes }) => {
      const here = Math.min(left, bytes.length);
      left -= here;
      return here;
    };
    const count = await expectPrefix(disk.afterCrash(survival), MORE);
    expect(count).toBe(kept === total ? DURABLE.length + MORE.length : DURABLE.length);
  }
});

test('every subset of the sectors of the last write', async () => {
  const disk = await interrupted((fixture) => {
    fixture.hardState = { ...fixture.hardState, term: 5 as never, vote: 'n2' as never };
    fixture.write(['d'.repeat(3_000)]);
  });
  const sectors = disk.contents(SEGMENT_1).pending.length;
  expect(sectors).toBeGreaterThanOrEqual(6);
  for (let subset = 0; subset < 2 ** sectors; subset++) {
    const survival: Survival = ({ bytes }, at) => ((subset >> at) & 1 ? bytes.length : 0);
    const count = await expectPrefix(disk.afterCrash(survival), ['d'.repeat(3_000)]);
    expect(count).toBe(DURABLE.length + (subset === 2 ** sectors - 1 ? 1 : 0));
  }
});

/** Several units on the disk in one write: a truncation between neighbours keeps them apart. */
async function severalUnits(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.vote(4, 'n1');
  fixture.write(DURABLE);
  await fixture.flushed();
  await settle(40);
  let release = (): void => {};
  disk.beforeSync = () => new Promise((resolve) => (release = resolve));
  fixture.write(['held']);
  await settle();
  fixture.newTerm(5);
  fixture.write(['d'.repeat(300), 'e'], 4);
  fixture.write(['E'.repeat(600)], 5);
  fixture.newTerm(6);
  fixture.write(['D', 'x'.repeat(500)], 4);
  disk.beforeSync = undefined;
  const held = release;
  disk.beforeSync = () => new Promise(() => {});
  held();
  await settle();
  expect(fixture.durable).toBe(3);
  return disk;
}

test('several units in one torn write: any prefix of units, never a later one without those before it', async () => {
  const disk = await severalUnits();
  const outcomes = [['held'], ['d'.repeat(300), 'e'], ['d'.repeat(300), 'E'.repeat(600)], ['D', 'x'.repeat(500)]].map((more) =>
    [...DURABLE, ...more].join(),
  );
  const seen = new Set<string>();
  const sectors = disk.contents(SEGMENT_1).pending.length;
  for (let subset = 0; subset < 2 ** sectors; subset++) {
    const survival: Survival = ({ bytes }, at) => ((subset >> at) & 1 ? bytes.length : 0);
    const { texts } = await reopen(disk.afterCrash(survival));
    const outcome = (await texts()).join();
    expect(outcomes).toContain(outcome);
    seen.add(outcome);
  }
  expect(seen.size).toBe(4);
});

test('what was cut never comes back, whatever is written in its place and however recovery is interrupted', async () => {
  const disk = await severalUnits();
  const sectors = disk.contents(SEGMENT_1).pending.length;
  const property = fc.asyncProperty(
    fc.integer({ min: 0, max: 2 ** sectors - 2 }),
    fc.integer({ min: 0, max: 2 ** 30 }),
    fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 4 }),
    async (subset, secondSubset, sizes) => {
      const torn = disk.afterCrash(({ bytes }, at) => ((subset >> at) & 1 ? bytes.length : 0));
      // Recovery itself is cut off at its sync, with some of its writes on the disk.
      torn.beforeSync = () => new Promise(() => {});
      void LogFixture.open(torn);
      await settle(5);
      const again = torn.crash(({ bytes }, at) => ((secondSubset >> (at % 31)) & 1 ? bytes.length : 0));
      const recovered = await LogFixture.open(again);
      const kept = await recovered.texts();
      recovered.newTerm(7);
      for (const size of sizes) {
        recovered.write(['n'.repeat(size)]);
        await recovered.flushed();
      }
      const after = await LogFixture.open(again.crash(KEPT));
      expect(await after.texts()).toEqual([...kept, ...sizes.map((size) => 'n'.repeat(size))]);
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

test('a unit of the same size as the cut one does not bring back the one behind it', async () => {
  const disk = await severalUnits();
  // Only the first sector of the torn write is lost: its later units are whole.
  const torn = disk.afterCrash(({ bytes }, at) => (at === 0 ? 0 : bytes.length));
  const recovered = await LogFixture.open(torn);
  expect(await recovered.texts()).toEqual([...DURABLE, 'held']);
  recovered.newTerm(5);
  recovered.write(['d'.repeat(300), 'e'], 4);
  await recovered.flushed();
  const after = await LogFixture.open(torn.crash(KEPT));
  expect(await after.texts()).toEqual([...DURABLE, 'd'.repeat(300), 'e']);
});

test('a torn first write of a segment is cut, and the segment used again', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['x'.repeat(10_000)]);
  await fixture.flushed();
  await settle();
  disk.beforeSync = (path) => (path.endsWith('2.segment') ? new Promise(() => {}) : undefined);
  fixture.write(['y'.repeat(6_000)]);
  await settle();
  const torn = disk.crash(({ path, bytes }, at) => (path.endsWith('2.segment') && at !== 3 ? bytes.length : 0));
  const recovered = await LogFixture.open(torn, SMALL);
  expect(recovered.log.restored.lastIndex).toBe(1);
  recovered.write(['z']);
  recovered.write(['z'.repeat(6_000)]);
  await recovered.flushed();
  const after = await LogFixture.open(torn.crash(KEPT), SMALL);
  expect((await after.texts()).slice(1)).toEqual(['z', 'z'.repeat(6_000)]);
});

test('a segment whose first unit was torn may stay empty behind what is too large for it', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['x'.repeat(12_000)]);
  await fixture.flushed();
  await settle(40);
  disk.beforeSync = () => new Promise(() => {});
  // Goes to the second segment, of which the crash leaves the first unit's header alone.
  fixture.write(['torn'.repeat(300)]);
  await settle();
  const torn = disk.crash(({ path, position }) => (path === SEGMENT_2 && position === 4_096 ? 512 : 0));
  const second = await LogFixture.open(torn);
  expect(second.log.lastIndex).toBe(1);
  second.write(['y'.repeat(20_000)]);
  second.write(['z']);
  await second.flushed();
  await second.log.close();
  expect((await reopen(torn)).log.restored.lastIndex).toBe(3);
});

test('a first write of a segment that lost its first unit and kept its second is cut', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['x'.repeat(11_000)]);
  await fixture.flushed();
  await settle(40);
  let release = (): void => {};
  disk.beforeSync = () => new Promise((resolve) => (release = resolve));
  fixture.write(['held']);
  await settle();
  fixture.newTerm(5);
  fixture.write(['d'.repeat(900)]);
  fixture.write(['D'.repeat(900)], 3);
  const held = release;
  held();
  await settle();
  const torn = disk.crash(({ path, position, bytes }) => (path === SEGMENT_2 && position === 4_096 ? 0 : bytes.length));
  const recovered = await LogFixture.open(torn);
  expect((await recovered.texts()).slice(1)).toEqual(['held']);
});
