/** What a drive cannot read (EIO) is damage of what was to be read, and is mended by writing. */
import { describe, expect, it } from 'vitest';
import { logIndex, term } from '../../../src/raft/types.ts';
import { openSnapshotStore } from '../../../src/storage/snapshot-store.ts';
import { readAround } from '../../../src/storage/unreadable.ts';
import { HEAD, LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { LOST, MemoryDisk, SECTOR_BYTES } from './memory-disk.ts';

const OPTIONS = { ...SMALL, cacheBytes: 0 };

/** Entries 1 to 4 in segment 1, the last two of them in one write; 5 in segment 2. */
async function stored(): Promise<{ disk: MemoryDisk; fixture: LogFixture; texts: string[] }> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, OPTIONS);
  fixture.newTerm(3);
  for (const payloads of [['a'.repeat(3_000)], ['b'.repeat(3_000)], ['c'.repeat(2_000), 'd'.repeat(2_000)], ['e'.repeat(6_000)]]) {
    fixture.write(payloads);
    await fixture.flushed();
  }
  await settle(40);
  return { disk, fixture, texts: await fixture.texts() };
}

const positionOf = (disk: MemoryDisk, letters: string, path = SEGMENT_1): number => disk.contents(path).durable.indexOf(letters);

async function repairFrom(whole: MemoryDisk, fixture: LogFixture): Promise<void> {
  const other = await LogFixture.open(whole, OPTIONS);
  for (const { index } of fixture.log.damaged()) await fixture.log.repair((await other.all())[index - 1] as never);
}

describe('an entry that cannot be read', () => {
  it('is damaged, others are not, and it is written again where it was', async () => {
    const { disk, fixture, texts } = await stored();
    const whole = disk.copy();
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'bbbb') + 1_000);
    expect((await fixture.log.read(logIndex(1), logIndex(5), 1e6)).length).toBe(1);
    await expect(fixture.log.read(logIndex(2), logIndex(5), 1e6)).rejects.toMatchObject({ code: 'DAMAGED_ENTRY', index: 2 });
    expect((await fixture.log.read(logIndex(3), logIndex(5), 1e6)).length).toBe(3);
    expect(fixture.damaged).toEqual([2]);
    await repairFrom(whole, fixture);
    expect(await fixture.texts()).toEqual(texts);
    expect(fixture.failure).toBeUndefined();
  });

  it('is written with the whole sectors at its edges, whose other bytes stay lost and are mended in their turn', async () => {
    const { disk, fixture, texts } = await stored();
    const whole = disk.copy();
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'dddd'));
    await expect(fixture.log.read(logIndex(4), logIndex(4), 1e6)).rejects.toMatchObject({ index: 4 });
    await repairFrom(whole, fixture);
    // It shares that sector with the end of the one before, which nobody had asked for yet.
    await expect(fixture.log.read(logIndex(3), logIndex(3), 1e6)).rejects.toMatchObject({ index: 3 });
    await repairFrom(whole, fixture);
    expect(await fixture.texts()).toEqual(texts);
    const restarted = await LogFixture.open(disk.crash(LOST), OPTIONS);
    expect(await restarted.texts()).toEqual(texts);
    expect(restarted.log.recovery).toMatchObject({ damagedEntries: 0, cutFrom: undefined });
  });

  it('is found by the scrubber', async () => {
    const disk = new MemoryDisk();
    const fixture = await LogFixture.open(disk, { ...OPTIONS, scrubBytesPerSecond: 1024 * 1024 * 1024 });
    fixture.newTerm(1);
    for (const letter of 'abc') {
      fixture.write([letter.repeat(3_000)]);
      await fixture.flushed();
    }
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'aaaa') + 600);
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'cccc') - 100);
    fixture.clock.fire();
    await settle(400);
    expect(fixture.damaged).toEqual([1, 2]);
    expect(fixture.damagedStructure).toEqual([expect.stringContaining('no whole unit')]);
    expect(fixture.failure).toBeUndefined();
  });
});

describe('at start', () => {
  it('an entry that cannot be read is damaged', async () => {
    const { disk, texts } = await stored();
    const whole = disk.copy();
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'bbbb') + 1_000);
    const fixture = await LogFixture.open(disk.crash(LOST), OPTIONS);
    expect(fixture.log.damaged()).toEqual([{ index: 2, term: 3 }]);
    await repairFrom(whole, fixture);
    expect(await fixture.texts()).toEqual(texts);
  });

  it('a header that cannot be read is cut off with all behind it, and the floor says how far it went', async () => {
    const { disk, texts } = await stored();
    disk.makeUnreadable(SEGMENT_1, positionOf(disk, 'cccc') - 100);
    const crashed = disk.crash(LOST);
    const fixture = await LogFixture.open(crashed, OPTIONS);
    const damaged = fixture.log.damaged().map(({ index }) => index);
    expect([fixture.log.lastIndex, damaged]).toEqual([2, [2]]);
    expect(fixture.log.restored.floor).toEqual({ index: 5, term: 3 });
    await repairFrom((await stored()).disk, fixture);
    fixture.hardState = { term: term(4), vote: undefined };
    fixture.write(['after']);
    await fixture.flushed();
    const again = await LogFixture.open(crashed.crash(LOST), OPTIONS);
    expect(await again.texts()).toEqual([...texts.slice(0, 2), 'after']);
  });

  it('the last write of a crash, if nobody vouches for it, is torn; the next one goes over it', async () => {
    const { disk, texts } = await stored();
    disk.makeUnreadable(SEGMENT_2, positionOf(disk, 'eeee', SEGMENT_2) + 1_000);
    const crashed = disk.crash(LOST);
    const fixture = await LogFixture.open(crashed, OPTIONS);
    expect(fixture.log.recovery).toMatchObject({ floor: undefined, damagedEntries: 0 });
    expect(fixture.log.recovery.cutBytes).toBeGreaterThan(0);
    fixture.write(['f'.repeat(6_000)]);
    await fixture.flushed();
    const again = await LogFixture.open(crashed.crash(LOST), OPTIONS);
    expect(await again.texts()).toEqual([...texts.slice(0, 4), 'f'.repeat(6_000)]);
  });

  it('an unreadable sector behind the end is no clean end, and is written before anything else', async () => {
    const { disk, texts } = await stored();
    disk.makeUnreadable(SEGMENT_2, 12_000);
    const crashed = disk.crash(LOST);
    const fixture = await LogFixture.open(crashed, OPTIONS);
    expect(fixture.log.recovery.cutBytes).toBeGreaterThan(0);
    expect(await fixture.texts()).toEqual(texts);
    expect(crashed.contents(SEGMENT_2).unreadable.size).toBe(0);
    const again = await LogFixture.open(crashed.crash(LOST), OPTIONS);
    expect(again.log.recovery.cutBytes).toBe(0);
  });

  it('an entry of the last write, when the seal vouches for it, is damaged', async () => {
    const { disk, fixture } = await stored();
    await fixture.log.close();
    disk.makeUnreadable(SEGMENT_2, positionOf(disk, 'eeee', SEGMENT_2) + 5_990);
    const restarted = await LogFixture.open(disk.crash(LOST), OPTIONS);
    expect(restarted.log.damaged()).toEqual([{ index: 5, term: 3 }]);
  });

  it('a head that cannot be read is refused, and nothing is changed', async () => {
    const { disk } = await stored();
    disk.makeUnreadable(HEAD, 0);
    const crashed = disk.crash(LOST);
    const { writes } = crashed;
    await expect(LogFixture.open(crashed, OPTIONS)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
    expect(crashed.writes).toBe(writes);
  });

  it('an error of another kind is no damage', async () => {
    const { disk } = await stored();
    const open = disk.open.bind(disk);
    disk.open = async (path, options) => ({
      ...(await open(path, options)),
      read: () => Promise.reject(Object.assign(new Error('ESTALE'), { code: 'ESTALE' })),
    });
    await expect(LogFixture.open(disk, OPTIONS)).rejects.toMatchObject({ code: 'IO' });
  });
});

describe('a snapshot that cannot be read', () => {
  it('is damaged, and dropped', async () => {
    const disk = new MemoryDisk();
    const store = await openSnapshotStore(disk, '/data/snapshots');
    const base = { index: logIndex(7), term: term(2), configuration: Buffer.from('c') };
    await store.write(base, [Buffer.alloc(2_000, 's')]);
    disk.makeUnreadable('/data/snapshots/7.snapshot', 5_000);
    await expect(store.read(logIndex(7), 0, 10)).rejects.toMatchObject({ code: 'DAMAGED_SNAPSHOT' });
    expect(store.list()).toEqual([]);
    await store.write(base, [Buffer.alloc(2_000, 's')]);
    disk.makeUnreadable('/data/snapshots/7.snapshot', 0);
    expect((await openSnapshotStore(disk, '/data/snapshots')).notes).toEqual([expect.stringContaining('its header is not')]);
  });
});

describe('reading around', () => {
  it('gives what can be read, to the sector, and writes no more than it must', async () => {
    const disk = new MemoryDisk();
    const file = await readAround(disk).open('/f', { create: true });
    await file.writeDurably(0, [Buffer.alloc(10 * SECTOR_BYTES + 100, 'x')]);
    for (const sector of [3, 4, 10]) disk.makeUnreadable('/f', sector * SECTOR_BYTES);
    const expected = Buffer.alloc(10 * SECTOR_BYTES + 100, 'x')
      .fill(0xff, 3 * SECTOR_BYTES, 5 * SECTOR_BYTES)
      .fill(0xff, 10 * SECTOR_BYTES);
    expect((await file.read(0, 1e6)).equals(expected)).toBe(true);
    expect((await file.read(1_700, 500)).equals(expected.subarray(1_700, 2_200))).toBe(true);
    await file.write(4 * SECTOR_BYTES + 10, [Buffer.alloc(SECTOR_BYTES, 'y')]);
    expected.fill('y', 4 * SECTOR_BYTES + 10, 5 * SECTOR_BYTES + 10);
    expect((await file.read(0, 1e6)).equals(expected)).toBe(true);
    expect([...disk.contents('/f').unreadable]).toEqual([10 * SECTOR_BYTES]);
  });
});
