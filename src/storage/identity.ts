/** Whose data directory this is. A node that started on another node's disk would vote with that one's memory. */
import { join } from 'node:path';
import { isNodeId, type NodeId } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { newerFormat, StorageError, toStorageError } from './errors.ts';

const IDENTITY_FORMAT = 1;
const FILE = 'identity.json';

export interface Identity {
  readonly nodeId: NodeId;
  /** Of this disk, made at first use: a wiped disk never is the same again. */
  readonly diskId: string;
}

/** Reads the identity of a data directory and checks that it is `nodeId`'s; undefined before the first use. */
export async function readIdentity(disk: Disk, dataDir: string, nodeId: NodeId): Promise<Identity | undefined> {
  const path = join(dataDir, FILE);
  let bytes: Buffer | undefined;
  try {
    bytes = await disk.readFile(path);
  } catch (error) {
    throw toStorageError(error, `opening ${path}`);
  }
  if (bytes === undefined) return undefined;
  const identity = parse(path, bytes);
  if (identity.nodeId === nodeId) return identity;
  const advice = 'Nothing was changed. Start this node on its own directory, or give it an empty one.';
  throw new StorageError('WRONG_NODE', `data directory ${dataDir} belongs to node ${identity.nodeId}, not ${nodeId}. ${advice}`);
}

/** Makes the directory `nodeId`'s. Durable when it resolves. */
export async function createIdentity(
  disk: Disk,
  dataDir: string,
  nodeId: NodeId,
  randomBytes: (length: number) => Buffer,
): Promise<Identity> {
  const identity = { nodeId, diskId: uuid(randomBytes(16)) };
  const json = JSON.stringify({ format: IDENTITY_FORMAT, ...identity }, undefined, 2);
  try {
    await disk.makeDirectory(dataDir);
    await disk.replaceFile(join(dataDir, FILE), Buffer.from(`${json}\n`));
  } catch (error) {
    throw toStorageError(error, `writing ${join(dataDir, FILE)}`);
  }
  return identity;
}

/** Version 4. */
function uuid(random: Buffer): string {
  const bytes = Buffer.from(random);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function parse(path: string, bytes: Buffer): Identity {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw damaged(path, 'it is not JSON');
  }
  const { format, nodeId, diskId } = (json ?? {}) as { [name: string]: unknown };
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) throw damaged(path, 'it has no format number');
  if (format > IDENTITY_FORMAT) throw newerFormat(path, format, IDENTITY_FORMAT);
  if (typeof nodeId !== 'string' || !isNodeId(nodeId)) throw damaged(path, 'it has no node id');
  if (typeof diskId !== 'string' || diskId === '') throw damaged(path, 'it has no disk id');
  return { nodeId, diskId };
}

function damaged(path: string, why: string): StorageError {
  const advice = 'It was not replaced: the log beside it is untouched. Restore the file from a copy, or replace the node.';
  return new StorageError('DAMAGED_IDENTITY', `${path} cannot be read: ${why}. ${advice}`);
}
