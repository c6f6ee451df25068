import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeDisk } from '../../../src/storage/node-disk.ts';
import { LogFixture } from './log-fixture.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lograft-disk-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('a log on real files survives close and reopening, with segments made ahead', async () => {
  const options = { segmentBytes: 256 * 1024, cacheBytes: 10_000 };
  const path = join(directory, 'a', 'b', 'log');
  const before = await LogFixture.open(nodeDisk, options, path);
  for (let at = 0; at < 60; at++) before.write([`${at}`.padEnd(20_000), '', `small ${at}`]);
  await before.flushed();
  const texts = await before.texts();
  expect(texts).toHaveLength(180);
  await before.log.close();
  const after = await LogFixture.open(nodeDisk, options, path);
  expect(await after.texts()).toEqual(texts);
  await after.log.close();
  expect((await readdir(path)).length).toBeGreaterThan(4);
});

test('more buffers than one system call takes, and empty ones', async () => {
  const file = await nodeDisk.open(join(directory, 'many'), { create: true });
  const buffers = Array.from({ length: 3_000 }, (_, at) => Buffer.from(at % 7 === 0 ? '' : `${at},`));
  const whole = Buffer.concat(buffers);
  await file.write(100, buffers);
  await file.sync();
  expect((await file.read(100, whole.length)).equals(whole)).toBe(true);
  await file.writeDurably(50, [Buffer.from('x'), ...buffers]);
  expect((await file.read(50, whole.length + 1)).toString()).toBe(`x${whole}`);
  expect((await file.read(0, 1_000_000)).length).toBe(await file.size());
  await file.close();
});

test('a short write goes on where it stopped', async () => {
  const path = join(directory, 'short');
  const probe = await open(join(directory, 'probe'), 'w');
  const prototype = Object.getPrototypeOf(probe) as { writev: (buffers: Uint8Array[], position: number) => Promise<unknown> };
  await probe.close();
  const { writev } = prototype;
  prototype.writev = function (buffers, position) {
    const bytes = Buffer.concat(buffers);
    return writev.call(this, [bytes.subarray(0, Math.min(7, bytes.length))], position);
  };
  try {
    const file = await nodeDisk.open(path, { create: true });
    await file.write(3, [Buffer.from('hello'), Buffer.from(''), Buffer.from(' wide'), Buffer.from(' world')]);
    expect((await file.read(3, 100)).toString()).toBe('hello wide world');
    await file.close();
  } finally {
    prototype.writev = writev;
  }
});

test('small files: missing, replaced, listed, renamed, removed', async () => {
  const path = join(directory, 'file');
  expect(await nodeDisk.readFile(path)).toBeUndefined();
  expect(await nodeDisk.list(join(directory, 'nowhere'))).toEqual([]);
  await nodeDisk.replaceFile(path, Buffer.from('one'));
  await nodeDisk.replaceFile(path, Buffer.from('two'));
  expect((await nodeDisk.readFile(path))?.toString()).toBe('two');
  await nodeDisk.rename(path, `${path}2`);
  expect(await nodeDisk.list(directory)).toEqual(['file2']);
  await expect(nodeDisk.open(`${path}2`, { create: true })).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(nodeDisk.open(path, { create: false })).rejects.toMatchObject({ code: 'ENOENT' });
  await nodeDisk.remove(`${path}2`);
  expect(await nodeDisk.list(directory)).toEqual([]);
});
