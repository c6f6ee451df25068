import { expect, test } from 'vitest';
import { KIND_CONFIGURATION, type LogBase, logIndex, term } from '../../../src/raft/types.ts';
import { DIRECTORY, HEAD, LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { KEPT, LOST, MemoryDisk } from './memory-disk.ts';

const NO_CACHE = { ...SMALL, cacheBytes: 0 } as const;

function base(index: number, inTerm: number, configuration?: string): LogBase {
  return {
    index: logIndex(index),
    term: term(inTerm),
    configuration: configuration === undefined ? undefined : Buffer.from(configuration),
  };
}

/** Twelve entries of 5 000 bytes in term 1: two to a segment. */
async function twelve(disk: MemoryDisk, options = NO_CACHE as typeof SMALL): Promise<LogFixture> {
  const fixture = await LogFixture.open(disk, options);
  fixture.newTerm(1);
  for (let index = 1; index <= 12; index++) {
    fixture.write([`${index}`.padEnd(5_000, '.')]);
    await fixture.flushed();
  }
  await settle(40);
  return fixture;
}

const segments = async (disk: MemoryDisk): Promise<number[]> =>
  (await disk.list(DIRECTORY)).filter((name) => name.endsWith('.segment')).map((name) => Number(name.slice(0, 8)));

test('a trim removes the segments that hold dropped entries alone, and what is left is read after a crash', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  expect(await segments(disk)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await fixture.log.trim(base(5, 1, 'who'));
  expect(await segments(disk)).toEqual([3, 4, 5, 6, 7]);
  expect(fixture.log).toMatchObject({ base: base(5, 1, 'who'), firstIndex: 6, lastIndex: 12 });
  const after = await LogFixture.open(disk.crash(LOST), NO_CACHE);
  expect(after.log.restored).toMatchObject({ base: base(5, 1, 'who'), lastIndex: 12, termRuns: [{ term: 1, firstIndex: 6 }] });
  expect((await after.texts()).map((text) => parseInt(text, 10))).toEqual([6, 7, 8, 9, 10, 11, 12]);
});

test('reads of what was trimmed are refused, also when they were under way', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  const underWay = fixture.log.read(logIndex(1), logIndex(1), 1);
  disk.files.delete(SEGMENT_1);
  const trimming = fixture.log.trim(base(1, 1));
  await expect(underWay).rejects.toMatchObject({ code: 'TRIMMED' });
  await expect(fixture.log.read(logIndex(1), logIndex(3), 1)).rejects.toThrow('entry 1 was dropped: the log begins after 1');
  await trimming;
  expect(fixture.failure).toBeUndefined();
});

test('a trim of everything keeps the current segment, the term of the last entry and the hard state', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  fixture.vote(9, 'n3');
  await fixture.flushed();
  await fixture.log.trim(base(12, 1));
  const after = await LogFixture.open(disk.crash(LOST), NO_CACHE);
  expect(after.log.restored).toMatchObject({ hardState: { term: 9, vote: 'n3' }, base: base(12, 1), lastIndex: 12, termRuns: [] });
  after.write(['thirteen']);
  await after.flushed();
  expect(await after.texts()).toEqual(['thirteen']);
});

test('an older trim changes nothing', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  await fixture.log.trim(base(6, 1));
  await fixture.log.trim(base(4, 1));
  expect(fixture.log.base.index).toBe(6);
  const replaced = disk.contents(HEAD);
  await fixture.log.trim(base(6, 1));
  expect(disk.contents(HEAD)).toBe(replaced);
});

test('what a crash leaves between the head and the removal is removed at the next start', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  const remove = disk.remove.bind(disk);
  disk.remove = () => new Promise(() => {});
  void fixture.log.trim(base(8, 1));
  await settle();
  expect(await segments(disk)).toContain(1);
  disk.remove = remove;
  const crashed = disk.crash(LOST);
  const after = await LogFixture.open(crashed, NO_CACHE);
  expect((await segments(crashed)).slice(0, 2)).toEqual([5, 6]);
  expect(after.log.base.index).toBe(8);
});

test('a log that is full takes writes again when it is trimmed', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, maxLogBytes: 3 * SMALL.segmentBytes });
  fixture.newTerm(1);
  for (; fixture.log.hasRoomFor(3_000); await settle()) {
    fixture.write(['x'.repeat(3_000)]);
    await fixture.flushed();
  }
  const { lastIndex } = fixture.log;
  await fixture.log.trim(base(lastIndex, 1));
  await settle(40);
  expect(fixture.log.hasRoomFor(3_000)).toBe(true);
  fixture.write(['y'.repeat(12_000)]);
  await fixture.flushed();
});

test('a segment boundary in entries that were replaced later is passed over', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, NO_CACHE);
  fixture.newTerm(1);
  for (const payload of ['a', 'b', 'c', 'd']) {
    fixture.write([payload.repeat(4_000)]);
    await fixture.flushed();
  }
  // The second segment began with the fourth entry; the second and third are replaced in it.
  fixture.newTerm(2);
  fixture.write(['B'], 2);
  await fixture.flushed();
  await settle(40);
  await fixture.log.trim(base(1, 1));
  expect(disk.files.has(SEGMENT_1)).toBe(true);
  const after = await LogFixture.open(disk.crash(LOST), NO_CACHE);
  expect(await after.texts()).toEqual(['B']);
  expect(after.log.restored.termRuns).toEqual([{ term: 2, firstIndex: 2 }]);
});

test('a reset: the log begins anew behind the snapshot, with the hard state, and entries of the same unit', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  fixture.vote(3, 'n2');
  fixture.reset(base(100, 2, 'group'));
  expect(fixture.log).toMatchObject({ firstIndex: 101, lastIndex: 100 });
  fixture.newTerm(4);
  fixture.reset(base(200, 3), ['a', 'b']);
  await fixture.flushed();
  await settle(40);
  expect(await segments(disk)).toEqual([6, 7]);
  expect(await fixture.texts()).toEqual(['a', 'b']);
  const after = await LogFixture.open(disk.crash(LOST), NO_CACHE);
  expect(await after.texts()).toEqual(['a', 'b']);
  expect(after.log.restored).toMatchObject({ hardState: { term: 4 }, base: base(200, 3), lastIndex: 202 });
});

test('a reset to before the end drops what was behind it', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  fixture.reset(base(7, 2));
  expect(fixture.log.lastIndex).toBe(7);
  await fixture.flushed();
  const after = await LogFixture.open(disk.crash(KEPT), NO_CACHE);
  expect(after.log.restored).toMatchObject({ lastIndex: 7, termRuns: [], base: base(7, 2) });
});

test('before a reset is durable, a crash leaves the old log', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  const before = await fixture.texts();
  disk.replaceFile = () => new Promise(() => {});
  fixture.reset(base(100, 2));
  await settle();
  expect(fixture.durable).toBe(fixture.sequence - 1);
  const after = await LogFixture.open(disk.crash(KEPT), NO_CACHE);
  expect(await after.texts()).toEqual(before);
});

test('a reset needs no room on a disk that is full, and what waited for room before it is not written', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, maxLogBytes: SMALL.segmentBytes });
  await settle();
  fixture.write(['x'.repeat(11_000)]);
  await fixture.flushed();
  fixture.write(['y'.repeat(11_000)]);
  await settle();
  expect(fixture.durable).toBe(1);
  fixture.newTerm(2);
  fixture.reset(base(50, 1), ['z']);
  await fixture.flushed();
  const after = await LogFixture.open(disk.crash(LOST), SMALL);
  expect(await after.texts()).toEqual(['z']);
  expect(after.log.restored).toMatchObject({ base: base(50, 1), hardState: { term: 2 } });
});

test('configurations after the base are restored, those that were truncated are not', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, NO_CACHE);
  fixture.newTerm(1);
  fixture.write(['one', 'two', 'three', 'four'], undefined, KIND_CONFIGURATION);
  fixture.newTerm(2);
  fixture.write(['other'], 4);
  await fixture.flushed();
  await fixture.log.trim(base(1, 1, 'one'));
  const after = await LogFixture.open(disk.crash(LOST), NO_CACHE);
  const { configurations } = after.log.restored;
  expect(configurations.map(({ index, payload }) => `${index} ${Buffer.from(payload)}`)).toEqual(['2 two', '3 three']);
});

test('a head that is damaged or missing is not made up', async () => {
  const disk = new MemoryDisk();
  const fixture = await twelve(disk);
  await fixture.log.close();
  for (let byte = 0; byte < disk.contents(HEAD).durable.length; byte += 7) {
    const damaged = disk.copy();
    damaged.flip(HEAD, byte, byte % 8);
    await expect(LogFixture.open(damaged, NO_CACHE)).rejects.toThrow(/a damaged head in .*head at byte 0/);
  }
  const missing = disk.copy();
  missing.files.delete(HEAD);
  await expect(LogFixture.open(missing, NO_CACHE)).rejects.toThrow(/the head is missing/);
});

test('a head without segments is a log that is gone', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, NO_CACHE);
  await fixture.log.close();
  for (const path of [SEGMENT_1, SEGMENT_2]) disk.files.delete(path);
  await expect(LogFixture.open(disk, NO_CACHE)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
});
