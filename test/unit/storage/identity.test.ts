import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { nodeId } from '../../../src/raft/types.ts';
import { createIdentity, readIdentity } from '../../../src/storage/identity.ts';
import { MemoryDisk } from './memory-disk.ts';

const n1 = nodeId('n1');
const PATH = '/data/identity.json';

test('is made once, and the same ever after', async () => {
  const disk = new MemoryDisk();
  expect(await readIdentity(disk, '/data', n1)).toBeUndefined();
  const first = await createIdentity(disk, '/data', n1, randomBytes);
  expect(first.nodeId).toBe('n1');
  expect(await readIdentity(disk.copy(), '/data', n1)).toEqual(first);
  expect((await createIdentity(new MemoryDisk(), '/data', n1, randomBytes)).diskId).not.toBe(first.diskId);
});

test('its disk id comes from the chance that is given', async () => {
  const identity = await createIdentity(new MemoryDisk(), '/data', n1, (length) => Buffer.alloc(length, 0xff));
  expect(identity.diskId).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
});

test('another node is refused', async () => {
  const disk = new MemoryDisk();
  await createIdentity(disk, '/data', nodeId('n2'), randomBytes);
  const opening = readIdentity(disk, '/data', n1);
  await expect(opening).rejects.toThrow(
    'data directory /data belongs to node n2, not n1. Nothing was changed. Start this node on its own',
  );
  await expect(opening).rejects.toMatchObject({ code: 'WRONG_NODE' });
});

test('a newer format is refused', async () => {
  const disk = new MemoryDisk();
  await disk.replaceFile(PATH, Buffer.from('{"format":2,"anything":"else"}'));
  await expect(readIdentity(disk, '/data', n1)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
});

test.each([
  '',
  '{',
  'null',
  '[]',
  '{}',
  '{"format":1}',
  '{"format":1,"nodeId":"n 1","diskId":"d"}',
  '{"format":1,"nodeId":"n1"}',
  '{"format":"1"}',
])('unreadable is refused and never made anew: %s', async (content) => {
  const disk = new MemoryDisk();
  await disk.replaceFile(PATH, Buffer.from(content));
  await expect(readIdentity(disk, '/data', n1)).rejects.toMatchObject({ code: 'DAMAGED_IDENTITY' });
  expect(disk.contents(PATH).cached.toString()).toBe(content);
});
