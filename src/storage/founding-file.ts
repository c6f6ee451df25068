/** What the node's group was founded with, as its log begins: written once, the same on all members. */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import type { Disk } from './disk.ts';
import { newerFormat, StorageError, toStorageError } from './errors.ts';

const FOUNDING_FORMAT = 1;
const FILE = 'founding.json';

export interface FoundingFile {
  /** The encoded configuration; undefined until it was written. Rejects with `DAMAGED_IDENTITY` or `NEWER_FORMAT`. */
  read(): Promise<Uint8Array | undefined>;
  /** Durable when it resolves. */
  write(configuration: Uint8Array): Promise<void>;
}

export function foundingFile(disk: Disk, dataDir: string): FoundingFile {
  const path = join(dataDir, FILE);
  return {
    read: async () => {
      const bytes = await disk.readFile(path).catch((error) => {
        throw toStorageError(error, `opening ${path}`);
      });
      return bytes === undefined ? undefined : parse(path, bytes);
    },
    write: async (configuration) => {
      const text = Buffer.from(configuration).toString();
      const json = { format: FOUNDING_FORMAT, configuration: text, crc32c: crc32c(text) };
      await disk.replaceFile(path, Buffer.from(`${JSON.stringify(json, undefined, 2)}\n`)).catch((error) => {
        throw toStorageError(error, `writing ${path}`);
      });
    },
  };
}

function parse(path: string, bytes: Buffer): Uint8Array {
  let json: { format?: unknown; configuration?: unknown; crc32c?: unknown };
  try {
    json = (JSON.parse(bytes.toString()) ?? {}) as typeof json;
  } catch {
    throw damaged(path, 'it is not JSON');
  }
  const { format, configuration, crc32c: crc } = json;
  if (typeof format === 'number' && format > FOUNDING_FORMAT) throw newerFormat(path, format, FOUNDING_FORMAT);
  if (typeof configuration !== 'string' || crc32c(configuration) !== crc) throw damaged(path, 'its checksum is wrong');
  return Buffer.from(configuration);
}

function damaged(path: string, why: string): StorageError {
  const advice = 'Nothing was changed. All members of the group have the same file: copy it from one that works.';
  return new StorageError('DAMAGED_IDENTITY', `${path} cannot be read: ${why}. ${advice}`);
}
