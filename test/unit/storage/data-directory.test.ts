import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { logIndex, nodeId, term, type WriteUnit } from '../../../src/raft/types.ts';
import { type DataDirectory, openDataDirectory } from '../../../src/storage/data-directory.ts';
import { nodeDisk } from '../../../src/storage/node-disk.ts';
import { MemoryKeyedState } from '../memory-keyed-state.ts';

let directory: string;
let written: () => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lograft-data-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (id = 'n1'): Promise<DataDirectory> =>
  openDataDirectory(
    nodeDisk,
    directory,
    nodeId(id),
    { segmentBytes: 64 * 1024 },
    { onWritten: () => written(), onFailed: (error) => expect.unreachable(error.message) },
  );

async function close({ log, snapshots, keyed }: DataDirectory): Promise<void> {
  await log.close();
  await snapshots.close();
  await keyed.close();
}

async function writeEntry({ log }: DataDirectory): Promise<void> {
  const entry = { term: 1, index: 1, kind: 16, payload: Buffer.from('entry') };
  const unit = { sequence: 1, hardState: { term: term(1), vote: undefined }, truncateFrom: undefined, entries: [entry] };
  const durable = new Promise<void>((resolve) => {
    written = resolve;
  });
  log.write(unit as unknown as WriteUnit);
  await durable;
}

test('opens empty, and again with what was written', async () => {
  const first = await open();
  await writeEntry(first);
  await close(first);
  expect(first.isNew).toBe(true);
  const second = await open();
  expect(second).toMatchObject({ isNew: false, identity: first.identity });
  expect(second.log.restored.lastIndex).toBe(1);
  await close(second);
});

test('refuses a directory whose log is gone: the node would vote without its memory', async () => {
  await close(await open());
  await rm(join(directory, 'log'), { recursive: true });
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_LOG', message: expect.stringContaining('its log is gone') });
});

test('refuses a directory of whose log the head alone is left', async () => {
  await close(await open());
  const log = join(directory, 'log');
  for (const name of await readdir(log)) if (name.endsWith('.segment')) await rm(join(log, name));
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_LOG', message: expect.stringContaining('its log is gone') });
});

test('keeps snapshots, and its derived state where it is told', async () => {
  const keyed = new MemoryKeyedState();
  const opened = await openDataDirectory(
    nodeDisk,
    directory,
    nodeId('n1'),
    { segmentBytes: 64 * 1024, openKeyed: () => Promise.resolve(keyed) },
    { onWritten: () => {}, onFailed: (error) => expect.unreachable(error.message) },
  );
  expect(opened.keyed).toBe(keyed);
  await opened.snapshots.write({ index: logIndex(3), term: term(1), configuration: undefined }, [Buffer.from('state')]);
  expect(await readdir(join(directory, 'snapshots'))).toEqual(['3.snapshot']);
  await close(opened);
});

test('refuses a log without an identity, and another node', async () => {
  const first = await open();
  await writeEntry(first);
  await close(first);
  await expect(open('n2')).rejects.toMatchObject({ code: 'WRONG_NODE' });
  await rm(join(directory, 'identity.json'));
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_IDENTITY' });
});

test('lets one process in at a time, and lets go after a refusal', async () => {
  const first = await open();
  await expect(open()).rejects.toMatchObject({ code: 'LOCKED' });
  await close(first);
  await expect(open('n2')).rejects.toMatchObject({ code: 'WRONG_NODE' });
  await close(await open());
});
