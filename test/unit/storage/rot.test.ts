import { crc32c } from '@node-rs/crc32';
import { expect, test } from 'vitest';
import { KIND_CONFIGURATION, logIndex } from '../../../src/raft/types.ts';
import { type Facts, ROWS } from '../../../src/storage/decisions.ts';
import { DIRECTORY, HEAD, LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { KEPT, LOST, MemoryDisk } from './memory-disk.ts';

const HEADER_BYTES = 4_096;
const UNIT_BYTES = 128;
const ROW_BYTES = 16;

/** Three units of two entries in segment 1, one in segment 2; unit boundaries are found by their magic. */
async function stored(): Promise<{ disk: MemoryDisk; units: number[]; texts: string[] }> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.newTerm(3);
  for (const payload of ['first', 'second'.repeat(20), 'x'.repeat(8_000), 'y'.repeat(6_000)]) {
    fixture.write([payload, `${payload[0]}!`]);
    await fixture.flushed();
  }
  await settle(40);
  const units = unitPositions(disk, SEGMENT_1);
  expect(units).toHaveLength(3);
  return { disk: disk.crash(LOST), units, texts: await fixture.texts() };
}

function unitPositions(disk: MemoryDisk, path: string): number[] {
  const bytes = disk.contents(path).durable;
  const units: number[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += 64) if (bytes.toString('latin1', at, at + 4) === 'LGRU') units.push(at);
  return units;
}

const onBoth = (disk: MemoryDisk, path: string, change: (bytes: Buffer) => void): void => {
  for (const bytes of new Set([disk.contents(path).durable, disk.contents(path).cached])) change(bytes);
};
const zero = (disk: MemoryDisk, path: string, from: number, to?: number): void =>
  onBoth(disk, path, (bytes) => void bytes.fill(0, from, to));

/** One test per row of the decision table, by its name. */
const cases: Record<string, () => Promise<void>> = {
  'the next segment begins with unit s: go on there': async () => {
    const { disk, texts } = await stored();
    const fixture = await LogFixture.open(disk);
    expect(await fixture.texts()).toEqual(texts);
    expect(fixture.log.recovery).toMatchObject({ cutBytes: 0, damagedEntries: 0, cutFrom: undefined, notes: [] });
  },

  'a newer format: refuse': async () => {
    const { disk, units } = await stored();
    const { cached } = disk.contents(SEGMENT_1);
    const at = units[1] as number;
    cached.writeUInt16BE(7, at + 8);
    cached.writeUInt32BE(crc32c(cached.subarray(at + 8, at + 128), crc32c(cached.subarray(32, 48))), at + 4);
    await expect(LogFixture.open(disk)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
  },

  's was durable, its payloads alone are damaged: its entries are damaged, go on behind it': async () => {
    const { disk, units, texts } = await stored();
    disk.flip(SEGMENT_1, (units[1] as number) + UNIT_BYTES + 2 * ROW_BYTES, 3);
    const fixture = await LogFixture.open(disk);
    expect(fixture.log.damaged()).toEqual([{ index: 3, term: 3 }]);
    expect(fixture.log.recovery).toMatchObject({ cutBytes: 0, damagedEntries: 1, cutFrom: undefined, floor: undefined });
    expect(fixture.log.lastIndex).toBe(8);
    const before = await fixture.log.read(logIndex(1), logIndex(8), 1e6);
    expect(before.map(({ payload }) => Buffer.from(payload).toString())).toEqual(texts.slice(0, 2));
    await expect(fixture.log.read(logIndex(3), logIndex(8), 1e6)).rejects.toMatchObject({ code: 'DAMAGED_ENTRY', index: 3 });
    expect((await fixture.log.read(logIndex(4), logIndex(8), 1e6)).length).toBe(5);
    expect(fixture.failure).toBeUndefined();
  },

  's was durable and is lost: the log ends before it, and the floor says how far it went': async () => {
    const { disk, units, texts } = await stored();
    disk.flip(SEGMENT_1, (units[1] as number) + 20, 3);
    const fixture = await LogFixture.open(disk);
    expect(await fixture.texts()).toEqual(texts.slice(0, 2));
    const floor = { index: 8, term: 3 };
    expect(fixture.log.restored).toMatchObject({ lastIndex: 2, floor, hardState: { term: 3 } });
    expect(fixture.log.recovery).toMatchObject({ cutFrom: { index: 3, term: 3 }, floor, damagedEntries: 0 });
    expect(fixture.log.recovery.notes[0]).toMatch(/unit 2 was durable, as unit 3 in .*Entries 1 to 2 before it are whole/);
    expect(disk.files.has(SEGMENT_2)).toBe(false);
    const again = await LogFixture.open(disk.crash(LOST));
    expect(again.log.restored).toEqual(fixture.log.restored);
    expect(again.log.recovery).toMatchObject({ cutFrom: undefined, notes: [], floor });
  },

  'a whole unit that no writer puts there: as if s was durable': async () => {
    const disk = new MemoryDisk();
    const fixture = await LogFixture.open(disk);
    fixture.newTerm(2);
    fixture.write(['a']);
    await fixture.flushed();
    await settle(40);
    const other = disk.copy();
    fixture.write(['b'.repeat(11_900)]);
    await fixture.flushed();
    await settle(40);
    fixture.write(['c']);
    await fixture.flushed();
    const crashed = disk.crash(LOST);
    // Segment 1 as it was before its second unit, which unit 3 calls durable; and that one says so no more.
    crashed.files.set(SEGMENT_1, other.contents(SEGMENT_1));
    onBoth(crashed, SEGMENT_2, (bytes) => {
      const [at] = unitPositions(crashed, SEGMENT_2) as [number];
      bytes.writeUInt32BE(0, at + 44);
      bytes.writeUInt32BE(crc32c(bytes.subarray(at + 8, at + 128), crc32c(bytes.subarray(32, 48))), at + 4);
    });
    const { log } = await LogFixture.open(crashed);
    expect(log.restored).toMatchObject({ lastIndex: 1, floor: { term: 2 } });
    expect(log.recovery.notes).toHaveLength(1);
  },

  'a segment is gone and nothing behind it says what it held: refuse': async () => {
    const { disk } = await stored();
    const missing = disk.copy();
    missing.files.delete(SEGMENT_2);
    expect(missing.files.has(`${DIRECTORY}/00000003.segment`)).toBe(true);
    const opening = LogFixture.open(missing);
    await expect(opening).rejects.toThrow(/a missing segment \(segment 2\), and nothing behind it tells what it held/);
    await expect(opening).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
    expect(missing.writes).toBe(0);
    const copied = disk.copy();
    copied.files.set(SEGMENT_2, disk.copy().contents(SEGMENT_1));
    await expect(LogFixture.open(copied)).rejects.toThrow(/a copy of segment 1/);
    const foreign = disk.copy();
    foreign.files.set(SEGMENT_2, (await stored()).disk.contents(SEGMENT_2));
    await expect(LogFixture.open(foreign)).rejects.toThrow(/a segment of another log/);
  },

  'any byte that is not zero: a torn tail, cut': async () => {
    const { disk, texts } = await stored();
    for (let byte = HEADER_BYTES; byte < HEADER_BYTES + 6_000; byte += 61) {
      const damaged = disk.copy();
      damaged.flip(SEGMENT_2, byte, byte % 8);
      const recovered = await LogFixture.open(damaged);
      expect(await recovered.texts()).toEqual(texts.slice(0, 6));
      expect(recovered.log.recovery.cutBytes).toBeGreaterThan(0);
      expect(recovered.log.restored.floor).toBeUndefined();
    }
  },

  'only zeros: a clean end': async () => {
    const { disk, texts } = await stored();
    zero(disk, SEGMENT_2, HEADER_BYTES);
    const fixture = await LogFixture.open(disk);
    expect(await fixture.texts()).toEqual(texts.slice(0, 6));
    expect(fixture.log.recovery.cutBytes).toBe(0);
  },
};

for (const { name } of ROWS) test(name, cases[name]);

test('no row is without a test, and each decides something', () => {
  expect(Object.keys(cases)).toEqual(ROWS.map(({ name }) => name));
  const none: Facts = {
    goesOn: false,
    newerFormat: false,
    attested: false,
    payloadsOnly: false,
    configuration: false,
    contradiction: false,
    unknownSegment: false,
    dirty: false,
  };
  expect(ROWS.filter(({ when }) => when(none)).map(({ decision }) => decision)).toEqual(['cleanEnd']);
});

test('a flipped bit in any byte of an older unit: a damaged entry, or a cut with a floor; nothing silently', async () => {
  const { disk, units, texts } = await stored();
  const [first, second] = units as [number, number];
  const lengths = [5 + 2, 120 + 2];
  for (const [at, position] of [first, second].entries()) {
    const payloads = position + UNIT_BYTES + 2 * ROW_BYTES;
    for (let byte = position; byte < payloads + (lengths[at] as number); byte++) {
      const damaged = disk.copy();
      damaged.flip(SEGMENT_1, byte, byte % 8);
      const { log } = await LogFixture.open(damaged);
      if (byte >= payloads) {
        expect(log.damaged()).toHaveLength(1);
        expect(log.lastIndex).toBe(8);
      } else {
        expect(log.restored).toMatchObject({ lastIndex: 2 * at, floor: { index: 8, term: 3 } });
        const fixture = await LogFixture.open(damaged.crash(KEPT));
        expect(await fixture.texts()).toEqual(texts.slice(0, 2 * at));
      }
    }
  }
});

test('after a clean close rot in the last unit is told from a torn tail', async () => {
  const { disk } = await stored();
  const fixture = await LogFixture.open(disk);
  fixture.write(['last']);
  await fixture.flushed();
  await fixture.log.close();
  const closed = disk.copy();
  expect((await LogFixture.open(closed.copy())).log.restored.lastIndex).toBe(9);
  const at = closed.contents(SEGMENT_2).durable.lastIndexOf('last');
  const payload = closed.copy();
  payload.flip(SEGMENT_2, at, 0);
  expect((await LogFixture.open(payload)).log.damaged()).toEqual([{ index: 9, term: 3 }]);
  // The whole sector, which takes units that vouch for it too: one is left.
  const sector = closed.copy();
  zero(sector, SEGMENT_2, at - (at % 512), at - (at % 512) + 512);
  expect((await LogFixture.open(sector)).log.restored).toMatchObject({ lastIndex: 8, floor: { index: 9, term: 3 } });
});

test('an idle log seals its last write, once', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.newTerm(4);
  fixture.write(['one']);
  await fixture.flushed();
  await settle(40);
  const { writes } = disk;
  fixture.clock.fire();
  await settle();
  fixture.clock.fire();
  await settle();
  expect(disk.writes).toBe(writes + 1);
  expect(fixture.written).toHaveLength(1);
  fixture.write(['two']);
  await fixture.flushed();
  expect(await fixture.texts()).toEqual(['one', 'two']);
  const crashed = disk.crash(LOST);
  crashed.flip(SEGMENT_1, crashed.contents(SEGMENT_1).durable.indexOf('one'), 0);
  const after = await LogFixture.open(crashed);
  expect(after.log.damaged()).toEqual([{ index: 1, term: 4 }]);
  expect(after.log.lastIndex).toBe(2);
});

test('a log that was opened after a crash seals what it found', async () => {
  const { disk } = await stored();
  const fixture = await LogFixture.open(disk);
  fixture.clock.fire();
  await settle();
  const crashed = disk.crash(LOST);
  crashed.flip(SEGMENT_2, HEADER_BYTES + 20, 0);
  expect((await LogFixture.open(crashed)).log.restored.floor).toEqual({ index: 8, term: 3 });
});

test('a damaged configuration cuts the log: the core needs it at once', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.newTerm(2);
  fixture.write(['a']);
  fixture.write(['members'], undefined, KIND_CONFIGURATION);
  await fixture.flushed();
  fixture.write(['b']);
  await fixture.flushed();
  const crashed = disk.crash(LOST);
  crashed.flip(SEGMENT_1, crashed.contents(SEGMENT_1).durable.indexOf('members'), 0);
  const { log } = await LogFixture.open(crashed);
  expect(log.restored).toMatchObject({ lastIndex: 1, floor: { index: 3, term: 2 }, configurations: [] });
});

test('a cut keeps the newest vote that anything behind shows', async () => {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  fixture.newTerm(2);
  fixture.write(['a']);
  await fixture.flushed();
  fixture.write(['b']);
  await fixture.flushed();
  fixture.vote(7, 'n2');
  await fixture.flushed();
  const crashed = disk.crash(LOST);
  crashed.flip(SEGMENT_1, (unitPositions(crashed, SEGMENT_1)[1] as number) + 50, 0);
  const once = await LogFixture.open(crashed);
  expect(once.log.restored).toMatchObject({ lastIndex: 1, hardState: { term: 7, vote: 'n2' }, floor: { index: 2, term: 2 } });
  const disk2 = crashed.crash(LOST);
  const twice = await LogFixture.open(disk2);
  expect(twice.log.restored).toMatchObject({ lastIndex: 1, hardState: { term: 7, vote: 'n2' }, floor: { index: 2, term: 2 } });
  twice.newTerm(8);
  twice.write(['B', 'C']);
  await twice.flushed();
  const caughtUp = await LogFixture.open(disk2.crash(LOST));
  expect(caughtUp.log.restored).toMatchObject({ lastIndex: 3, floor: undefined, hardState: { term: 8 } });
});

test('when nothing is left, the log begins anew after its base, in a new segment', async () => {
  for (const damage of [
    (disk: MemoryDisk) => disk.files.delete(SEGMENT_1),
    (disk: MemoryDisk) => disk.flip(SEGMENT_1, 20, 0),
    (disk: MemoryDisk) => zero(disk, SEGMENT_1, 0),
  ]) {
    const { disk } = await stored();
    damage(disk);
    const fixture = await LogFixture.open(disk);
    expect(fixture.log.restored).toMatchObject({ lastIndex: 0, floor: { index: 8, term: 3 }, hardState: { term: 3 } });
    expect(disk.files.has(SEGMENT_2)).toBe(false);
    fixture.write(['again']);
    await fixture.flushed();
    const after = await LogFixture.open(disk.crash(LOST));
    expect(await after.texts()).toEqual(['again']);
    expect(after.log.restored.floor).toEqual({ index: 8, term: 3 });
  }
});

test('a segment that is cut short is filled up again, what it lost is known by the next', async () => {
  const { disk, units, texts } = await stored();
  const contents = disk.contents(SEGMENT_1);
  contents.cached = contents.cached.subarray(0, (units[2] as number) + 700);
  contents.durable = contents.cached;
  const fixture = await LogFixture.open(disk);
  expect(await fixture.texts()).toEqual(texts.slice(0, 4));
  expect(fixture.log.restored.floor).toEqual({ index: 8, term: 3 });
  expect(disk.contents(SEGMENT_1).durable.length).toBe(SMALL.segmentBytes);
});

test('a spare segment that lost its header is made again', async () => {
  const { disk, texts } = await stored();
  const spare = `${DIRECTORY}/00000003.segment`;
  disk.flip(spare, 20, 0);
  const fixture = await LogFixture.open(disk);
  expect(await fixture.texts()).toEqual(texts);
  await settle(40);
  expect((await LogFixture.open(disk.crash(LOST))).log.recovery.notes).toEqual([]);
});

test('without a head, a log whose first segment is gone or unreadable is refused', async () => {
  const { disk } = await stored();
  disk.files.delete(HEAD);
  await expect(LogFixture.open(disk.copy())).rejects.toThrow(/the head is missing/);
  const header = disk.copy();
  header.flip(SEGMENT_1, 20, 0);
  await expect(LogFixture.open(header)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
  disk.files.delete(SEGMENT_1);
  await expect(LogFixture.open(disk)).rejects.toThrow(/the head is missing/);
});

test('rot that a read finds: the entry is damaged, the log goes on, and is repaired by the right entry alone', async () => {
  const { disk, units, texts } = await stored();
  const fixture = await LogFixture.open(disk);
  disk.flip(SEGMENT_1, (units[0] as number) + UNIT_BYTES + 2 * ROW_BYTES + 5, 1);
  expect((await fixture.log.read(logIndex(1), logIndex(4), 1e6)).length).toBe(1);
  expect(fixture.damaged).toEqual([2]);
  await expect(fixture.log.read(logIndex(2), logIndex(4), 1e6)).rejects.toMatchObject({ code: 'DAMAGED_ENTRY', index: 2 });
  expect(fixture.damaged).toEqual([2]);
  const right = { index: logIndex(2), term: fixture.hardState.term, kind: 16 + 2, payload: Buffer.from(texts[1] as string) };
  const wrong = [
    { ...right, term: 9 as never },
    { ...right, kind: 99 },
    { ...right, payload: Buffer.from('f?') },
    { ...right, payload: Buffer.from('f!!') },
  ];
  const before = disk.contents(SEGMENT_1).cached;
  for (const entry of wrong) await expect(fixture.log.repair(entry)).rejects.toMatchObject({ code: 'DAMAGED_ENTRY', index: 2 });
  expect(disk.contents(SEGMENT_1).cached).toBe(before);
  await fixture.log.repair(right);
  expect(fixture.log.damaged()).toEqual([]);
  expect(await fixture.texts()).toEqual(texts);
  const after = await LogFixture.open(disk.crash(LOST));
  expect(after.log.recovery.damagedEntries).toBe(0);
  expect(await after.texts()).toEqual(texts);
});

test('truncation, trim and reset drop damaged entries', async () => {
  const { disk, units } = await stored();
  for (const unit of units.slice(0, 2)) disk.flip(SEGMENT_1, unit + UNIT_BYTES + 2 * ROW_BYTES, 1);
  const opened = async (): Promise<LogFixture> => {
    const fixture = await LogFixture.open(disk.copy());
    expect(fixture.log.damaged().map(({ index }) => index)).toEqual([1, 3]);
    return fixture;
  };
  const truncated = await opened();
  truncated.newTerm(4);
  truncated.write(['new'], 2);
  expect(truncated.log.damaged().map(({ index }) => index)).toEqual([1]);
  const trimmed = await opened();
  await trimmed.log.trim({ index: logIndex(2), term: trimmed.hardState.term, configuration: undefined });
  expect(trimmed.log.damaged().map(({ index }) => index)).toEqual([3]);
  const reset = await opened();
  reset.reset({ index: logIndex(50), term: reset.hardState.term, configuration: undefined });
  expect(reset.log.damaged()).toEqual([]);
});

test('a newer format of a segment is refused by name', async () => {
  const { disk } = await stored();
  onBoth(disk, SEGMENT_2, (bytes) => {
    bytes.writeUInt16BE(3, 12);
    bytes.writeUInt32BE(crc32c(bytes.subarray(12, 64)), 8);
  });
  await expect(LogFixture.open(disk)).rejects.toThrow(/00000002.segment has format 3, this version of Lograft reads up to 2/);
});

test('a unit at a place it was not written to is never valid', async () => {
  const { disk, units } = await stored();
  const [first, second] = units as [number, number];
  onBoth(disk, SEGMENT_1, (bytes) => void bytes.copy(bytes, second, first, first + 128));
  expect((await LogFixture.open(disk)).log.restored).toMatchObject({ lastIndex: 2, floor: { index: 8, term: 3 } });
});

test('other files in the directory are left alone', async () => {
  const { disk, texts } = await stored();
  await disk.replaceFile(`${DIRECTORY}/notes.txt`, Buffer.from('mine'));
  const fixture = await LogFixture.open(disk, SMALL);
  expect(await fixture.texts()).toEqual(texts);
  expect(disk.files.has(`${DIRECTORY}/notes.txt`)).toBe(true);
});
