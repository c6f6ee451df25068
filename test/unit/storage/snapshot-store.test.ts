import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LogBase, logIndex, term } from '../../../src/raft/types.ts';
import { openSnapshotStore, type SnapshotInfo, type SnapshotStore } from '../../../src/storage/snapshot-store.ts';
import { settle } from './log-fixture.ts';
import { KEPT, LOST, MemoryDisk } from './memory-disk.ts';

const DIRECTORY = '/data/snapshots';
const CONTENT_POSITION = 4_096;

const at = (index: number, configuration?: string): LogBase => ({
  index: logIndex(index),
  term: term(3),
  configuration: configuration === undefined ? undefined : Buffer.from(configuration),
});
const open = (disk: MemoryDisk): Promise<SnapshotStore> => openSnapshotStore(disk, DIRECTORY);
const path = (index: number): string => `${DIRECTORY}/${index}.snapshot`;

async function content(store: SnapshotStore, index: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of store.content(logIndex(index))) parts.push(part);
  return Buffer.concat(parts).toString('latin1');
}

const letters = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, (_, at) => 97 + (at % 26)));

/** Another node's snapshot and how it is described. */
async function remote(bytes: number, index = 9): Promise<{ info: SnapshotInfo; source: SnapshotStore }> {
  const source = await open(new MemoryDisk());
  return { info: await source.write(at(index, 'who'), [letters(bytes)]), source };
}

test('what was written is listed, oldest first, and read after a crash', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  const big = letters(3 * 1024 * 1024 + 5);
  await store.write(at(20, 'x'.repeat(9_000)), [big.subarray(0, 100), Buffer.alloc(0), big.subarray(100)]);
  await store.write(at(7), []);
  const after = await open(disk.crash(LOST));
  expect(after.list().map(({ index, term, bytes, configuration }) => [index, term, bytes, configuration?.length])).toEqual([
    [7, 3, 0, undefined],
    [20, 3, big.length, 9_000],
  ]);
  expect(await content(after, 20)).toBe(big.toString('latin1'));
  expect(await content(after, 7)).toBe('');
  expect((await after.read(logIndex(20), 26, 3)).toString()).toBe('abc');
  expect((await after.read(logIndex(20), big.length - 2, 100)).length).toBe(2);
  expect(after.notes).toEqual([]);
});

test('one that is there is not written again', async () => {
  const store = await open(new MemoryDisk());
  const first = await store.write(at(5), [Buffer.from('one')]);
  expect(await store.write(at(5), [Buffer.from('two')])).toEqual(first);
  expect(await content(store, 5)).toBe('one');
});

test('before it is whole it is not there, wherever a crash comes', async () => {
  for (let stop = 1; stop <= 3; stop++) {
    const disk = new MemoryDisk();
    const store = await open(disk);
    let syncs = 0;
    disk.beforeSync = () => (++syncs === stop ? new Promise(() => {}) : undefined);
    let written = false;
    void store.write(at(5), [letters(10_000), letters(100)]).then(() => {
      written = true;
    });
    await settle(60);
    const after = await open(disk.crash(KEPT));
    expect(after.list().length).toBe(written ? 1 : 0);
  }
});

test('a full disk: the rest is removed, and others are untouched', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  await store.write(at(1), [Buffer.from('kept')]);
  disk.capacityBytes = disk.usedBytes + 50_000;
  await expect(store.write(at(2), [letters(100_000)])).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect([...disk.files.keys()]).toEqual([path(1)]);
  expect(store.list()).toHaveLength(1);
});

test('a damaged header is found at open: removed with a note, not fatal', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  await store.write(at(1, 'who'), [Buffer.from('one')]);
  await store.write(at(2), [Buffer.from('two')]);
  for (const position of [0, 8, 12, 20, 24, 40, 1_537]) {
    const damaged = disk.copy();
    damaged.flip(path(1), position, 0);
    const after = await open(damaged).catch((error) => error);
    expect(after.notes, `byte ${position}`).toEqual([expect.stringContaining('snapshot 1 is damaged: its header')]);
    expect(after.list()).toHaveLength(1);
    expect(damaged.files.has(path(1))).toBe(false);
  }
});

test('a copy in another place, and one that is cut short, are not taken', async () => {
  const disk = new MemoryDisk();
  await (await open(disk)).write(at(1), [letters(500)]);
  const { cached } = disk.contents(path(1));
  disk.files.set(path(2), { path: path(2), cached, durable: cached, pending: [], unreadable: new Set() });
  const short = cached.subarray(0, cached.length - 1);
  disk.files.set(path(1), { path: path(1), cached: short, durable: short, pending: [], unreadable: new Set() });
  const after = await open(disk);
  expect(after.list()).toEqual([]);
  expect(after.notes).toEqual([
    expect.stringContaining('it has 4595 of 4596 bytes'),
    expect.stringContaining('a copy of snapshot 1'),
  ]);
});

test('rotted content is handed to nobody: it leaves the list', async () => {
  for (const use of ['read', 'content'] as const) {
    const disk = new MemoryDisk();
    const store = await open(disk);
    await store.write(at(1), [letters(2_000)]);
    disk.flip(path(1), CONTENT_POSITION + 1_999, 3);
    const using = use === 'read' ? store.read(logIndex(1), 0, 10) : content(store, 1);
    await expect(using).rejects.toMatchObject({ code: 'DAMAGED_SNAPSHOT' });
    expect(store.list()).toEqual([]);
    expect(store.notes).toHaveLength(1);
    await expect(store.read(logIndex(1), 0, 10)).rejects.toMatchObject({ code: 'TRIMMED' });
    await store.write(at(1), [letters(2_000)]);
    expect(await content(store, 1)).toHaveLength(2_000);
  }
});

test('content that rots between the check and the reading is rejected at its end', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  await store.write(at(1), [letters(2 * 1024 * 1024)]);
  const parts = store.content(logIndex(1))[Symbol.asyncIterator]();
  await parts.next();
  disk.flip(path(1), CONTENT_POSITION + 2 * 1024 * 1024 - 1, 0);
  await expect(
    (async () => {
      while (!(await parts.next()).done);
    })(),
  ).rejects.toMatchObject({ code: 'DAMAGED_SNAPSHOT' });
});

test('removed ones are gone, for readers too', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  await store.write(at(1), [letters(10)]);
  await store.write(at(2), [letters(10)]);
  await store.remove([logIndex(1), logIndex(77)]);
  expect([...disk.files.keys()]).toEqual([path(2)]);
  await expect(content(store, 1)).rejects.toMatchObject({ code: 'TRIMMED' });
});

test('one is received in pieces, and is there once it is whole and right', async () => {
  const { info, source } = await remote(10_000);
  const disk = new MemoryDisk();
  const store = await open(disk);
  const receiver = await store.receive(info);
  while (receiver.receivedBytes < info.bytes) {
    const piece = await source.read(info.index, receiver.receivedBytes, 3_000);
    await receiver.append(receiver.receivedBytes, piece);
    // Twice, as a network may bring it.
    await receiver.append(receiver.receivedBytes - piece.length, piece);
  }
  expect(store.list()).toEqual([]);
  await receiver.finish();
  expect(store.list()).toEqual([info]);
  const after = await open(disk.crash(LOST));
  expect(after.list()).toEqual([info]);
  expect(await content(after, 9)).toBe(letters(10_000).toString());
});

test('a wrong piece is found at the end, and what was received is dropped', async () => {
  const { info } = await remote(1_000);
  const disk = new MemoryDisk();
  const store = await open(disk);
  const receiver = await store.receive(info);
  await receiver.append(0, Buffer.alloc(1_000, 'x'));
  await expect(receiver.finish()).rejects.toMatchObject({ code: 'DAMAGED_SNAPSHOT' });
  expect(disk.files.size).toBe(0);
  const again = await store.receive(info);
  expect(again.receivedBytes).toBe(0);
  await again.abandon();
  expect(disk.files.size).toBe(0);
});

test('another snapshot takes the place of one half received', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  const first = await store.receive((await remote(1_000, 9)).info);
  await first.append(0, letters(500));
  await store.close();
  const after = await open(disk);
  const second = await after.receive((await remote(1_000, 10)).info);
  expect(second.receivedBytes).toBe(0);
  expect([...disk.files.keys()]).toEqual([`${path(10)}.receiving`]);
  await second.abandon();
  // The same index, but another content.
  const third = await after.receive((await remote(1_000, 10)).info);
  await third.append(0, letters(100));
  await third.append(100, letters(100));
  await after.close();
  const other = await (await open(disk)).receive((await remote(999, 10)).info);
  expect(other.receivedBytes).toBe(0);
});

test('whatever crashes interrupt it, receiving goes on from what is durable, and ends with the right content', async () => {
  const { info, source } = await remote(6_000);
  const property = fc.asyncProperty(
    fc.array(fc.record({ pieces: fc.nat(5), bytes: fc.integer({ min: 1, max: 1_500 }), seed: fc.nat(), kill: fc.boolean() }), {
      maxLength: 6,
    }),
    async (lives) => {
      let disk = new MemoryDisk();
      for (const { pieces, bytes, seed, kill } of lives) {
        const store = await open(disk);
        const receiver = await store.receive(info);
        const durable = receiver.receivedBytes;
        for (let piece = 0; piece < pieces && receiver.receivedBytes < info.bytes; piece++)
          await receiver.append(receiver.receivedBytes, await source.read(info.index, receiver.receivedBytes, bytes));
        disk.beforeSync = () => new Promise(() => {});
        if (receiver.receivedBytes < info.bytes) void receiver.append(receiver.receivedBytes, letters(1));
        await settle(5);
        expect(receiver.receivedBytes).toBeGreaterThanOrEqual(durable);
        disk = kill ? disk.kill() : disk.crash(({ bytes: sector }, at) => ((seed >> (at % 31)) & 1 ? sector.length : 0));
      }
      const store = await open(disk);
      const receiver = await store.receive(info);
      while (receiver.receivedBytes < info.bytes)
        await receiver.append(receiver.receivedBytes, await source.read(info.index, receiver.receivedBytes, 2_000));
      await receiver.finish();
      expect(await content(store, 9)).toBe(letters(6_000).toString());
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test('one whose file is gone is damaged like any other, and its removal does not fail', async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  for (const index of [1, 2]) await store.write(at(index), [letters(500)]);
  disk.files.delete(path(1));
  disk.files.delete(path(2));
  await expect(store.read(at(1).index, 0, 10)).rejects.toMatchObject({ code: 'DAMAGED_SNAPSHOT' });
  await store.remove([at(2).index]);
  expect(store.list()).toEqual([]);
});
