import { crc32c } from '@node-rs/crc32';
import { expect, test } from 'vitest';
import { logIndex } from '../../../src/raft/types.ts';
import { DIRECTORY, LogFixture, SEGMENT_1, SEGMENT_2, SMALL, settle } from './log-fixture.ts';
import { LOST, MemoryDisk } from './memory-disk.ts';

const HEADER_BYTES = 4_096;

/** Three units in segment 1, one in segment 2; unit boundaries are found by their magic. */
async function stored(): Promise<{ disk: MemoryDisk; units: number[]; texts: string[] }> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk);
  for (const payload of ['first', 'second'.repeat(20), 'x'.repeat(8_000), 'y'.repeat(6_000)]) {
    fixture.write([payload, `${payload[0]}!`]);
    await fixture.flushed();
  }
  await settle(40);
  const bytes = disk.contents(SEGMENT_1).durable;
  const units: number[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += 64) if (bytes.toString('latin1', at, at + 4) === 'LGRU') units.push(at);
  expect(units).toHaveLength(3);
  return { disk: disk.crash(LOST), units, texts: await fixture.texts() };
}

test('a flipped bit in any byte of an older unit: refused, nothing changed', async () => {
  const { disk, units } = await stored();
  const [first, second, third] = units as [number, number, number];
  const usedBytes = [128 + 2 * 16 + 7, 128 + 2 * 16 + 122];
  const before = disk.copy();
  for (const [at, position] of [first, second].entries()) {
    for (let byte = position; byte < position + (usedBytes[at] as number); byte++) {
      const damaged = disk.copy();
      damaged.flip(SEGMENT_1, byte, byte % 8);
      const { writes } = damaged;
      const opening = LogFixture.open(damaged);
      await expect(opening).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
      expect(damaged.writes).toBe(writes);
      damaged.flip(SEGMENT_1, byte, byte % 8);
      expect(damaged.contents(SEGMENT_1).cached.equals(before.contents(SEGMENT_1).cached)).toBe(true);
    }
  }
  // The last of segment 1 is attested by segment 2 alone.
  for (let byte = third; byte < third + 8_000; byte += 97) {
    const damaged = disk.copy();
    damaged.flip(SEGMENT_1, byte, byte % 8);
    await expect(LogFixture.open(damaged)).rejects.toThrow(/damaged log: unit 3 was durable.*Entries 1 to 4 before it are whole/);
  }
});

test('the error names the file, the place and what to do', async () => {
  const { disk, units } = await stored();
  disk.flip(SEGMENT_1, (units[1] as number) + 170, 3);
  await expect(LogFixture.open(disk)).rejects.toThrow(
    new RegExp(`unit 2 was durable, as unit 3 in ${SEGMENT_1}.*damaged entry 3 in ${SEGMENT_1} at byte ${units[1]}.*Do not delete`),
  );
});

test('a flipped bit in the last unit looks like a torn tail: cut', async () => {
  const { disk, texts } = await stored();
  for (let byte = HEADER_BYTES; byte < HEADER_BYTES + 6_000; byte += 61) {
    const damaged = disk.copy();
    damaged.flip(SEGMENT_2, byte, byte % 8);
    const recovered = await LogFixture.open(damaged);
    expect(await recovered.texts()).toEqual(texts.slice(0, 6));
  }
});

test('after a clean close rot in the last unit is told from a torn tail', async () => {
  const { disk } = await stored();
  const fixture = await LogFixture.open(disk);
  fixture.write(['last']);
  await fixture.flushed();
  await fixture.log.close();
  const closed = disk.copy();
  const whole = await LogFixture.open(closed.copy());
  expect(whole.log.restored.lastIndex).toBe(9);
  const at = closed.contents(SEGMENT_2).durable.lastIndexOf('last');
  closed.flip(SEGMENT_2, at, 0);
  await expect(LogFixture.open(closed)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
});

test('a whole unit that became zeros was durable all the same', async () => {
  const { disk, units } = await stored();
  for (const bytes of [disk.contents(SEGMENT_1).durable, disk.contents(SEGMENT_1).cached]) bytes.fill(0, units[2]);
  await expect(LogFixture.open(disk)).rejects.toThrow(/unit 3 was durable/);
});

test('rot after opening is found when it is read, and is terminal', async () => {
  const { disk, units } = await stored();
  const fixture = await LogFixture.open(disk);
  disk.flip(SEGMENT_1, (units[0] as number) + 162, 1);
  await expect(fixture.log.read(logIndex(1), logIndex(2), 100)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
  expect(fixture.failure).toMatchObject({ code: 'DAMAGED_LOG' });
});

test('segments that are missing, copied, cut, foreign or rotted in their header', async () => {
  const { disk } = await stored();
  const cases: [(disk: MemoryDisk) => void, RegExp][] = [
    [(disk) => disk.files.delete(SEGMENT_1), /segment 1 is missing while 2 exists/],
    [(disk) => disk.files.set(SEGMENT_2, disk.contents(SEGMENT_1)), /a copy of segment 1 in the place of 2/],
    [
      (disk) => (disk.contents(SEGMENT_2).cached = disk.contents(SEGMENT_2).cached.subarray(0, 9_000)),
      /cut from 16384 to 9000 bytes/,
    ],
    [(disk) => disk.flip(SEGMENT_1, 20, 0), /damaged segment header/],
  ];
  for (const [damage, message] of cases) {
    const damaged = disk.copy();
    damage(damaged);
    const opening = LogFixture.open(damaged);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
  }
  const foreign = disk.copy();
  foreign.files.set(SEGMENT_2, (await stored()).disk.contents(SEGMENT_2));
  await expect(LogFixture.open(foreign)).rejects.toThrow(/a segment of another log/);
});

test('a unit at a place it was not written to is never valid', async () => {
  const { disk, units } = await stored();
  const [first, second] = units as [number, number];
  for (const bytes of [disk.contents(SEGMENT_1).durable, disk.contents(SEGMENT_1).cached])
    bytes.copy(bytes, second, first, first + 128);
  await expect(LogFixture.open(disk)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
});

test('a newer format is refused by name, in a segment and in a unit', async () => {
  const { disk, units } = await stored();
  const segment = disk.copy();
  for (const bytes of [segment.contents(SEGMENT_2).cached]) {
    bytes.writeUInt16BE(3, 12);
    bytes.writeUInt32BE(crc32c(bytes.subarray(12, 64)), 8);
  }
  await expect(LogFixture.open(segment)).rejects.toThrow(/00000002.segment has format 3, this version of Lograft reads up to 2/);
  const unit = disk.copy();
  const { cached } = unit.contents(SEGMENT_1);
  const at = units[1] as number;
  cached.writeUInt16BE(7, at + 8);
  cached.writeUInt32BE(crc32c(cached.subarray(at + 8, at + 128), crc32c(cached.subarray(32, 48))), at + 4);
  await expect(LogFixture.open(unit)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
});

test('other files in the directory are left alone', async () => {
  const { disk, texts } = await stored();
  await disk.replaceFile(`${DIRECTORY}/notes.txt`, Buffer.from('mine'));
  const fixture = await LogFixture.open(disk, SMALL);
  expect(await fixture.texts()).toEqual(texts);
  expect(disk.files.has(`${DIRECTORY}/notes.txt`)).toBe(true);
});
