import { expect, test } from 'vitest';
import { logIndex } from '../../../src/raft/types.ts';
import { DIRECTORY, HEAD, LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { KEPT, LOST, MemoryDisk } from './memory-disk.ts';

const large = (letter: string, bytes = 5_000): string => letter.repeat(bytes);

test('a new log is empty and has its first segment before open resolves', async () => {
  const disk = new MemoryDisk();
  const { log } = await LogFixture.open(disk);
  expect(log.restored).toMatchObject({ hardState: { term: 0, vote: undefined }, lastIndex: 0, termRuns: [] });
  expect(disk.contents(SEGMENT_1).durable.length).toBe(SMALL.segmentBytes);
});

test('what was written is read and restored: entries, kinds, terms, hard state', async () => {
  const disk = new MemoryDisk();
  const before = await LogFixture.open(disk);
  before.vote(3, 'n2');
  before.write(['a', '', large('b')]);
  before.newTerm(2 ** 40 + 5);
  before.write(['c']);
  await before.flushed();
  const entries = await before.all();
  await before.log.close();
  const after = await LogFixture.open(disk.copy());
  expect(await after.all()).toEqual(entries);
  expect(after.log.restored).toMatchObject({
    hardState: { term: 2 ** 40 + 5, vote: undefined },
    lastIndex: 4,
    termRuns: [
      { term: 3, firstIndex: 1 },
      { term: 2 ** 40 + 5, firstIndex: 4 },
    ],
  });
  expect(before.written.at(-1)).toEqual([3, 2 ** 40 + 5]);
});

test('the longest vote survives', async () => {
  const disk = new MemoryDisk();
  const before = await LogFixture.open(disk);
  before.vote(7, 'v'.repeat(63));
  await before.flushed();
  const after = await LogFixture.open(disk.crash(LOST));
  expect(after.log.restored.hardState).toEqual({ term: 7, vote: 'v'.repeat(63) });
});

test('units that arrive during a write go out as one write with one sync', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  await settle(200);
  const { syncs, writes } = disk;
  for (let at = 0; at < 50; at++) fixture.write([`entry ${at}`]);
  await fixture.flushed();
  expect(disk.syncs - syncs).toBe(2);
  expect(disk.writes - writes).toBe(2);
  expect(fixture.written.map(([sequence]) => sequence)).toEqual([1, 50]);
  expect(await fixture.texts()).toHaveLength(50);
});

test('segments follow one another, made ahead', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  for (let at = 0; at < 20; at++) {
    fixture.write([large('x'), String(at)]);
    if (at % 3 === 0) await fixture.flushed();
  }
  await fixture.flushed();
  await settle();
  const texts = await fixture.texts();
  expect(disk.files.size).toBeGreaterThan(10);
  const after = await LogFixture.open(disk.crash(LOST));
  expect(await after.texts()).toEqual(texts);
  after.write(['more']);
  await after.flushed();
  const again = await LogFixture.open(disk.crash(LOST));
  expect((await again.texts()).length).toBeGreaterThanOrEqual(40);
});

test('a unit larger than a segment gets a segment of its own size', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, preallocatedSegments: 3 });
  await settle();
  fixture.write(['small']);
  fixture.write([large('L', 100_000)]);
  fixture.write(['behind', large('M', 40_000)]);
  await fixture.flushed();
  const texts = await fixture.texts();
  const after = await LogFixture.open(disk.crash(LOST), { ...SMALL, preallocatedSegments: 3, cacheBytes: 0 });
  expect(await after.texts()).toEqual(texts);
  expect(after.log.restored.lastIndex).toBe(4);
});

test('segments made with a smaller segmentBytes are not waited for in vain', async () => {
  const disk = new MemoryDisk();
  const before = await LogFixture.open(disk);
  before.write(['first']);
  await before.flushed();
  await settle();
  await before.log.close();
  const after = await LogFixture.open(disk.copy(), { segmentBytes: 64 * 1024 });
  after.write([large('L', 40_000)]);
  await after.flushed();
  expect(await after.texts()).toEqual(['first', large('L', 40_000)]);
});

test('a truncation replaces, in the cache, on the disk and after reopening', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, cacheBytes: 0 });
  fixture.write(['a', 'b', 'c', 'd']);
  await fixture.flushed();
  fixture.newTerm(2);
  fixture.write(['B'], 2);
  expect(await fixture.texts()).toEqual(['a', 'B']);
  fixture.write(['C']);
  fixture.newTerm(3);
  fixture.write(['CC', 'DD'], 3);
  expect(await fixture.texts()).toEqual(['a', 'B', 'CC', 'DD']);
  await fixture.flushed();
  expect(await fixture.texts()).toEqual(['a', 'B', 'CC', 'DD']);
  const after = await LogFixture.open(disk.crash(LOST));
  expect(await after.texts()).toEqual(['a', 'B', 'CC', 'DD']);
  expect(after.log.restored.termRuns.map(({ term }) => term)).toEqual([0, 2, 3]);
});

test('a read that began before a truncation returns what was there, never a mixture', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, cacheBytes: 300 });
  fixture.write(['a', 'b', 'c', 'd', 'e', 'f']);
  await fixture.flushed();
  const reading = fixture.texts();
  fixture.newTerm(9);
  fixture.write(['X'], 2);
  expect(await reading).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(await fixture.texts()).toEqual(['a', 'X']);
});

test('reads are cut after maxBytes, but never empty, from cache, disk and both', async () => {
  const disk = new MemoryDisk();
  for (const cacheBytes of [0, 500, 100_000]) {
    const fixture = await LogFixture.open(disk.copy(), { ...SMALL, cacheBytes });
    for (let at = 0; at < 10; at++) fixture.write(['x'.repeat(100)]);
    await fixture.flushed();
    const count = async (first: number, maxBytes: number): Promise<number> =>
      (await fixture.log.read(logIndex(first), logIndex(10), maxBytes)).length;
    expect(await count(1, 0)).toBe(1);
    expect(await count(1, 299)).toBe(2);
    expect(await count(1, 300)).toBe(3);
    expect(await count(1, 850)).toBe(8);
    expect(await count(7, 299)).toBe(2);
    expect(await count(1, 1_000)).toBe(10);
  }
});

test('a failed sync is the end: told once, nothing written or acknowledged any more', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['kept']);
  await fixture.flushed();
  await settle();
  let failures = 1;
  disk.beforeSync = () => {
    if (failures-- > 0) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  };
  fixture.write(['lost']);
  fixture.write(['lost too']);
  await fixture.until(() => fixture.failure !== undefined);
  const { writes } = disk;
  fixture.write(['never written']);
  await settle();
  expect(fixture.failure).toMatchObject({ code: 'IO' });
  expect(fixture.durable).toBe(1);
  expect(disk.writes).toBe(writes);
  expect(fixture.log.hasRoomFor(1)).toBe(false);
  await fixture.log.close();
  expect(disk.writes).toBe(writes);
});

test('after a failed sync the page cache lies: recovery writes the last unit again before it counts', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['first']);
  await fixture.flushed();
  await settle();
  disk.beforeSync = () => {
    // The kernel marks pages clean whose write-back failed: later syncs succeed without them.
    disk.contents(SEGMENT_1).pending = [];
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  };
  fixture.write(['in the page cache only']);
  await fixture.until(() => fixture.failure !== undefined);
  const afterKill = disk.kill();
  const restarted = await LogFixture.open(afterKill);
  expect(await restarted.texts()).toEqual(['first', 'in the page cache only']);
  const afterPowerLoss = await LogFixture.open(afterKill.crash(LOST));
  expect(await afterPowerLoss.texts()).toEqual(['first', 'in the page cache only']);
});

test('what a killed process left in the page cache is durable before it is restored', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.write(['durable']);
  await fixture.flushed();
  await settle();
  disk.beforeSync = () => new Promise(() => {});
  fixture.vote(5, 'n3');
  fixture.write(['x']);
  await settle();
  const killed = disk.kill();
  const restarted = await LogFixture.open(killed);
  expect(restarted.log.restored.hardState).toEqual({ term: 5, vote: 'n3' });
  const after = await LogFixture.open(killed.crash(LOST));
  expect(after.log.restored).toMatchObject(restarted.log.restored);
});

test('a full disk: what is stored stays, the reserve takes votes, room returns by itself', async () => {
  const disk = new MemoryDisk();
  const options = { segmentBytes: 64 * 1024 };
  disk.capacityBytes = 100 * 1024;
  const fixture = await LogFixture.open(disk, options);
  await settle();
  expect([...disk.files.keys()]).toEqual([SEGMENT_1, HEAD]);
  let entries = 0;
  while (fixture.log.hasRoomFor(1_000)) {
    fixture.write(['x'.repeat(1_000)]);
    await fixture.flushed();
    entries += 1;
  }
  expect(entries).toBeGreaterThan(40);
  for (let term = 1; term <= 20; term++) fixture.vote(term, 'n1');
  await fixture.flushed();
  expect(fixture.log.hasRoomFor(1_000)).toBe(false);
  disk.capacityBytes = 1024 * 1024;
  fixture.clock.fire();
  await settle();
  expect(fixture.log.hasRoomFor(1_000)).toBe(true);
  for (let at = 0; at < 60; at++) fixture.write(['y'.repeat(1_000)]);
  await fixture.flushed();
  const after = await LogFixture.open(disk.crash(LOST), options);
  expect(after.log.restored.lastIndex).toBe(entries + 60);
  expect(after.log.restored.hardState).toEqual({ term: 20, vote: 'n1' });
});

test('a write that finds no segment on a full disk waits, and is given up on close', async () => {
  const disk = new MemoryDisk();
  disk.capacityBytes = 30 * 1024;
  const fixture = await LogFixture.open(disk);
  await settle();
  for (let at = 0; at < 4; at++) fixture.write([large('x')]);
  await settle();
  expect(fixture.failure).toBeUndefined();
  expect(fixture.durable).toBeLessThan(4);
  await fixture.log.close();
  const after = await LogFixture.open(disk.copy());
  expect(after.log.restored.lastIndex).toBe(fixture.durable === 1 ? 1 : 2);
});

test('maxLogBytes bounds the log as a full disk does', async () => {
  const fixture = await LogFixture.open(new MemoryDisk(), { ...SMALL, maxLogBytes: 40 * 1024 });
  await settle();
  let entries = 0;
  for (; fixture.log.hasRoomFor(1_000); entries++) {
    fixture.write(['x'.repeat(1_000)]);
    await fixture.flushed();
    await settle();
  }
  expect(entries).toBeGreaterThan(15);
  expect(entries).toBeLessThan(24);
});

test('without room for the first segment the log does not open, and leaves nothing', async () => {
  const disk = new MemoryDisk();
  disk.capacityBytes = 10 * 1024;
  await expect(LogFixture.open(disk)).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(disk.files.size).toBe(0);
});

test('a crash while a segment is being made leaves nothing behind', async () => {
  const disk = new MemoryDisk();
  let writes = 0;
  disk.beforeWrite = (path) => (path.includes('00000002') && ++writes === 2 ? new Promise(() => {}) : undefined);
  const fixture = await LogFixture.open(disk);
  fixture.write(['kept']);
  await fixture.flushed();
  await settle();
  const crashed = disk.crash(KEPT);
  expect([...crashed.files.keys()]).toContain(`${SEGMENT_2}.filling`);
  const after = await LogFixture.open(crashed);
  expect(await after.texts()).toEqual(['kept']);
  await settle();
  expect([...crashed.files.keys()].sort()).toEqual([SEGMENT_1, SEGMENT_2, HEAD]);
  expect(await crashed.list(DIRECTORY)).toHaveLength(3);
});

test('units that break the contract break an assertion', async () => {
  const fixture = await LogFixture.open(new MemoryDisk(), { ...SMALL, maxEntryBytes: 10 });
  fixture.write(['a']);
  expect(() => fixture.write(['b'], 3)).toThrow('only what exists');
  expect(() => fixture.write(['eleven bytes'])).toThrow('maxEntryBytes');
  await expect(LogFixture.open(new MemoryDisk(), { segmentBytes: 100 })).rejects.toThrow('segmentBytes');
});
