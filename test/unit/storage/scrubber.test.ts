import { expect, test } from 'vitest';
import { logIndex } from '../../../src/raft/types.ts';
import { LogFixture, SEGMENT_1, SMALL, settle } from './log-fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

const OPTIONS = { ...SMALL, scrubBytesPerSecond: 1024 * 1024 * 1024 } as const;

async function stored(
  options: typeof OPTIONS | { scrubBytesPerSecond: number } = OPTIONS,
): Promise<{ disk: MemoryDisk; fixture: LogFixture }> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, { ...SMALL, ...options });
  fixture.newTerm(1);
  for (const letter of 'abcdef') {
    fixture.write([letter.repeat(4_000), letter]);
    await fixture.flushed();
  }
  await settle(60);
  return { disk, fixture };
}

test('a whole log gives no reason to complain, however it rolls and is trimmed meanwhile', async () => {
  const { disk, fixture } = await stored();
  fixture.clock.fire();
  await fixture.log.trim({ index: logIndex(5), term: fixture.hardState.term, configuration: undefined });
  for (let at = 0; at < 20; at++) {
    fixture.write(['x'.repeat(3_000)]);
    await settle(3);
  }
  await fixture.flushed();
  await settle(200);
  fixture.clock.fire();
  await settle(400);
  expect([fixture.damaged, fixture.damagedStructure, fixture.failure]).toEqual([[], [], undefined]);
  await fixture.log.close();
  expect(disk.files.size).toBeGreaterThan(2);
});

test('a rotted payload is told once, and the entry is damaged', async () => {
  const { disk, fixture } = await stored();
  disk.flip(SEGMENT_1, disk.contents(SEGMENT_1).durable.indexOf('bbbb') + 100, 0);
  await settle(100);
  expect(fixture.damaged).toEqual([]);
  fixture.clock.fire();
  await settle(400);
  expect(fixture.damaged).toEqual([3]);
  fixture.clock.fire();
  await settle(400);
  expect(fixture.damaged).toEqual([3]);
  expect(fixture.log.damaged()).toEqual([{ index: 3, term: 1 }]);
  expect(fixture.damagedStructure).toEqual([]);
});

test('a rotted unit header or table is told once: the log would be cut', async () => {
  for (const offset of [20, 130]) {
    const { disk, fixture } = await stored();
    disk.flip(SEGMENT_1, 4_096 + offset, 0);
    fixture.clock.fire();
    await settle(400);
    fixture.clock.fire();
    await settle(400);
    expect(fixture.damagedStructure).toEqual([expect.stringMatching(/in .*00000001.segment at byte 4096/)]);
    expect(fixture.failure).toBeUndefined();
  }
});

test('a segment that is being removed is not missed', async () => {
  const { disk, fixture } = await stored();
  const remove = disk.remove.bind(disk);
  let removed = (): void => {};
  disk.remove = async (path) => {
    await remove(path);
    await new Promise<void>((resolve) => {
      removed = resolve;
    });
  };
  const trimming = fixture.log.trim({ index: logIndex(8), term: fixture.hardState.term, configuration: undefined });
  await settle();
  expect(disk.files.has(SEGMENT_1)).toBe(false);
  fixture.clock.fire();
  await settle(400);
  expect([fixture.damagedStructure, fixture.failure]).toEqual([[], undefined]);
  disk.remove = remove;
  removed();
  await trimming;
});

test('it does not run when it is told not to, and stops at close', async () => {
  const { disk, fixture } = await stored({ scrubBytesPerSecond: 0 });
  disk.flip(SEGMENT_1, 4_096 + 20, 0);
  fixture.clock.fire();
  await settle(400);
  expect(fixture.damagedStructure).toEqual([]);
  const slow = await stored({ scrubBytesPerSecond: 1 });
  slow.fixture.clock.fire();
  await settle();
  await slow.fixture.log.close();
});
