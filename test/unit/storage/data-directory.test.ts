import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { logIndex, nodeId, term, type WriteUnit } from '../../../src/raft/types.ts';
import { type DataDirectory, type GroupStorage, openDataDirectory } from '../../../src/storage/data-directory.ts';
import { nodeDisk } from '../../../src/storage/node-disk.ts';

let directory: string;
let written: () => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lograft-data-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (id = 'n1'): Promise<DataDirectory> => openDataDirectory(nodeDisk, directory, nodeId(id));

const openGroup = (data: DataDirectory, group = 'g1'): Promise<GroupStorage> =>
  data.openGroup(
    group,
    { segmentBytes: 64 * 1024 },
    { onWritten: () => written(), onFailed: (error) => expect.unreachable(error.message) },
  );

async function close(data: DataDirectory, ...groups: GroupStorage[]): Promise<void> {
  for (const { log, snapshots, keyed } of groups) {
    await log.close();
    await snapshots.close();
    await keyed.close();
  }
  await data.close();
}

async function writeEntry({ log }: GroupStorage): Promise<void> {
  const entry = { term: 1, index: 1, kind: 16, payload: Buffer.from('entry') };
  const unit = { sequence: 1, hardState: { term: term(1), vote: undefined }, truncateFrom: undefined, entries: [entry] };
  const durable = new Promise<void>((resolve) => {
    written = resolve;
  });
  log.write(unit as unknown as WriteUnit);
  await durable;
}

test('opens empty, and again with what was written, each group apart', async () => {
  const first = await open();
  const groups = [await openGroup(first, 'g1'), await openGroup(first, 'g2')] as const;
  await writeEntry(groups[0]);
  await groups[0].keyed.write([[Buffer.from('k'), Buffer.from('one')]], []);
  await groups[1].keyed.write([[Buffer.from('k'), Buffer.from('other')]], []);
  await first.groups.add('g1', Buffer.from('founding'));
  await close(first, ...groups);
  const second = await open();
  expect(second.identity).toEqual(first.identity);
  expect(second.groups.names()).toEqual(['g1']);
  expect(Buffer.from(second.groups.founding('g1') ?? []).toString()).toBe('founding');
  const again = [await openGroup(second, 'g1'), await openGroup(second, 'g2')] as const;
  expect(again.map(({ log }) => log.restored.lastIndex)).toEqual([1, 0]);
  const values = await Promise.all(again.map(({ keyed }) => keyed.get(Buffer.from('k'))));
  expect(values.map(String)).toEqual(['one', 'other']);
  await close(second, ...again);
});

test('a group sees its own part of the derived state only', async () => {
  const data = await open();
  const groups = await Promise.all(['g', 'g1', 'g10', 'h'].map((name) => openGroup(data, name)));
  for (const [at, { keyed }] of groups.entries())
    await keyed.write(
      [1, 2, 3].map((key) => [Buffer.from([key]), Buffer.from([at])] as const),
      [],
    );
  for (const [at, { keyed }] of groups.entries()) {
    const seen: number[][] = [];
    for await (const [key, value] of keyed.range({ from: Buffer.from([2]), reverse: true })) seen.push([...key, ...value]);
    expect(seen).toEqual([
      [3, at],
      [2, at],
    ]);
  }
  await close(data, ...groups);
});

test('refuses a directory whose log of a group it takes part in is gone: the node would vote without its memory', async () => {
  const data = await open();
  const group = await openGroup(data);
  await data.groups.add('g1', Buffer.from('founding'));
  await close(data, group);
  await rm(join(directory, 'groups', 'g1', 'log'), { recursive: true });
  const again = await open();
  await expect(openGroup(again)).rejects.toMatchObject({ code: 'DAMAGED_LOG', message: expect.stringContaining('g1 is gone') });
  await close(again);
});

test('refuses a directory of whose log the head alone is left', async () => {
  const data = await open();
  const group = await openGroup(data);
  await data.groups.add('g1', Buffer.from('founding'));
  await close(data, group);
  const log = join(directory, 'groups', 'g1', 'log');
  for (const name of await readdir(log)) if (name.endsWith('.segment')) await rm(join(log, name));
  const again = await open();
  await expect(openGroup(again)).rejects.toMatchObject({ code: 'DAMAGED_LOG' });
  await close(again);
});

test('keeps snapshots', async () => {
  const data = await open();
  const group = await openGroup(data);
  await group.snapshots.write({ index: logIndex(3), term: term(1), configuration: undefined }, [Buffer.from('state')]);
  expect(await readdir(join(directory, 'groups', 'g1', 'snapshots'))).toEqual(['3.snapshot']);
  await close(data, group);
});

test('refuses another node, groups without an identity, and an identity without the list of groups', async () => {
  const data = await open();
  await data.groups.add('g1', Buffer.from('founding'));
  await close(data);
  await expect(open('n2')).rejects.toMatchObject({ code: 'WRONG_NODE' });
  const identity = await readFile(join(directory, 'identity.json'));
  await rm(join(directory, 'identity.json'));
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_IDENTITY' });
  await writeFile(join(directory, 'identity.json'), identity);
  await rm(join(directory, 'groups.json'));
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_IDENTITY', message: expect.stringContaining('groups.json') });
});

test('refuses a damaged list of groups', async () => {
  await close(await open());
  const path = join(directory, 'groups.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('[]', '[{"group":"g1","founding":""}]'));
  await expect(open()).rejects.toMatchObject({ code: 'DAMAGED_IDENTITY', message: expect.stringContaining('checksum') });
});

test('lets one process in at a time, and lets go after a refusal', async () => {
  const first = await open();
  await expect(open()).rejects.toMatchObject({ code: 'LOCKED' });
  await close(first);
  await expect(open('n2')).rejects.toMatchObject({ code: 'WRONG_NODE' });
  await close(await open());
});
