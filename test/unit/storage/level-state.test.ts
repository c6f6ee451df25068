import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KeyRange } from '../../../src/storage/keyed-state.ts';
import { openLevelState } from '../../../src/storage/level-state.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lograft-state-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const b = (text: string): Buffer => Buffer.from(text, 'latin1');

test('puts, deletes and ranges, over reopening', async () => {
  const before = await openLevelState(join(directory, 'deep', 'state'));
  await before.write(
    ['a', 'b', 'c', 'd', '\xff'].map((key) => [b(key), b(`value ${key}`)]),
    [],
  );
  await before.write([[b('e'), b('new')]], [b('b'), b('never there')]);
  await before.write([], []);
  await before.sync();
  await before.close();
  const state = await openLevelState(join(directory, 'deep', 'state'));
  expect(await state.get(b('b'))).toBeUndefined();
  expect((await state.get(b('e')))?.toString()).toBe('new');
  const keys = async (range: KeyRange): Promise<string> => {
    const found: string[] = [];
    for await (const [key] of state.range(range)) found.push(key.toString('latin1'));
    return found.join('');
  };
  expect(await keys({ from: b('a') })).toBe('acde\xff');
  expect(await keys({ from: b('c'), to: b('e') })).toBe('cd');
  expect(await keys({ from: b('b'), limit: 2 })).toBe('cd');
  expect(await keys({ from: b('a'), to: b('e'), reverse: true, limit: 2 })).toBe('dc');
  await state.close();
});

test('a directory that another process has open is refused, and free again when that one is gone', async () => {
  const level = createRequire(import.meta.url).resolve('level');
  const holder = join(directory, 'holder.cjs');
  const state = join(directory, 'state');
  const hold = `setInterval(() => globalThis.held, 1_000); const { Level } = require(${JSON.stringify(level)});
    globalThis.held = new Level(process.argv[2]); held.open().then(() => process.send('open'));`;
  await writeFile(holder, hold);
  const other = fork(holder, [state]);
  await once(other, 'message');
  const opening = openLevelState(state);
  await expect(opening).rejects.toMatchObject({ code: 'LOCKED' });
  await expect(opening).rejects.toThrow(`data directory ${state} is in use by another process`);
  other.kill('SIGKILL');
  await once(other, 'exit');
  await (await openLevelState(state)).close();
});

test('the same process cannot open it twice either', async () => {
  const state = await openLevelState(directory);
  await expect(openLevelState(directory)).rejects.toMatchObject({ code: 'LOCKED' });
  await state.close();
});

test('after a power cut nothing is believed; after the death of the process alone, everything', async () => {
  const copyOf = async (name: string): Promise<string> => {
    const copy = join(directory, name);
    await cp(join(directory, 'state'), copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') });
    return copy;
  };
  const state = await openLevelState(join(directory, 'state'), 'first run');
  await state.write([[b('a'), b('value')]], []);
  const left = await copyOf('left open');
  const leftToo = await copyOf('left open too');
  await state.close();

  const sameRun = await openLevelState(left, 'first run');
  expect((await sameRun.get(b('a')))?.toString()).toBe('value');
  await sameRun.close();
  const nextRun = await openLevelState(leftToo, 'second run');
  expect(await nextRun.get(b('a'))).toBeUndefined();
  await nextRun.close();
  const closed = await openLevelState(join(directory, 'state'), 'second run');
  expect((await closed.get(b('a')))?.toString()).toBe('value');
  await closed.close();
});
