/**
 * Which groups this disk takes part in, and what each was founded with. Written before a group's replica promises anything: from then on a directory
 * without that group's log has lost it, and with it votes and acknowledgements.
 */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import type { Disk } from './disk.ts';
import { newerFormat, StorageError, toStorageError } from './errors.ts';

const LEDGER_FORMAT = 1;
const FILE = 'groups.json';

export interface GroupLedger {
  /** Names of all groups, in the order they came. */
  names(): readonly string[];
  /** The encoded configuration that the group was founded with; undefined when this disk takes no part in it. */
  founding(group: string): Uint8Array | undefined;
  /** Durable when it resolves. */
  add(group: string, founding: Uint8Array): Promise<void>;
}

/**
 * `isNew`: the disk has never been used, and gets an empty ledger. Else one must be there: a directory that has lost it might have lost logs as well.
 * Rejects with `DAMAGED_IDENTITY` or `NEWER_FORMAT`.
 */
export async function openGroupLedger(disk: Disk, dataDir: string, isNew: boolean): Promise<GroupLedger> {
  const path = join(dataDir, FILE);
  const groups = await readLedger(disk, path);
  if (groups === undefined && !isNew) throw damaged(path, 'it is gone, or the directory is from an older version');
  if (isNew && groups !== undefined && groups.size > 0) throw damaged(path, 'it names groups, but no identity.json says whose');
  if (groups === undefined) await replace(disk, path, new Map());
  return ledger(disk, path, groups ?? new Map());
}

function ledger(disk: Disk, path: string, groups: Map<string, string>): GroupLedger {
  // Groups may be founded side by side: the file is replaced by one after the other, each time with all of them.
  let last: Promise<unknown> = Promise.resolve();
  return {
    names: () => [...groups.keys()],
    founding: (group) => {
      const founding = groups.get(group);
      return founding === undefined ? undefined : Buffer.from(founding);
    },
    add: (group, founding) => {
      const added = last.then(async () => {
        const next = new Map(groups).set(group, Buffer.from(founding).toString());
        await replace(disk, path, next);
        groups.set(group, next.get(group) as string);
      });
      last = added.catch(() => {});
      return added;
    },
  };
}

async function readLedger(disk: Disk, path: string): Promise<Map<string, string> | undefined> {
  const bytes = await disk.readFile(path).catch((error) => {
    throw toStorageError(error, `opening ${path}`);
  });
  return bytes === undefined ? undefined : parse(path, bytes);
}

async function replace(disk: Disk, path: string, groups: ReadonlyMap<string, string>): Promise<void> {
  await disk.replaceFile(path, encode(groups)).catch((error) => {
    throw toStorageError(error, `writing ${path}`);
  });
}

function encode(groups: ReadonlyMap<string, string>): Buffer {
  const entries = [...groups].map(([group, founding]) => ({ group, founding }));
  const json = { format: LEDGER_FORMAT, groups: entries, crc32c: crc32c(JSON.stringify(entries)) };
  return Buffer.from(`${JSON.stringify(json, undefined, 2)}\n`);
}

function parse(path: string, bytes: Buffer): Map<string, string> {
  let json: { format?: unknown; groups?: unknown; crc32c?: unknown };
  try {
    json = (JSON.parse(bytes.toString()) ?? {}) as typeof json;
  } catch {
    throw damaged(path, 'it is not JSON');
  }
  const { format, groups, crc32c: crc } = json;
  if (typeof format === 'number' && format > LEDGER_FORMAT) throw newerFormat(path, format, LEDGER_FORMAT);
  if (!Array.isArray(groups) || crc32c(JSON.stringify(groups)) !== crc) throw damaged(path, 'its checksum is wrong');
  return new Map((groups as { group: string; founding: string }[]).map(({ group, founding }) => [group, founding]));
}

function damaged(path: string, why: string): StorageError {
  const advice = 'Nothing was changed. Restore the file from a copy, or replace the node.';
  return new StorageError('DAMAGED_IDENTITY', `${path} cannot be read: ${why}. ${advice}`);
}
