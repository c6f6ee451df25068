/** Whose data directory this is. A node that started on another node's disk would vote with that one's memory. */
import { randomUUID } from 'node:crypto';
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
  /** The cluster that the directory belongs to, when it was given at first use. */
  readonly cluster: string | undefined;
  /** True when there was none before. */
  readonly created: boolean;
}

/** Reads or, at first use, writes the identity of a data directory. An unreadable one is never replaced. */
export async function openIdentity(disk: Disk, dataDir: string, nodeId: NodeId, cluster?: string | undefined): Promise<Identity> {
  const path = join(dataDir, FILE);
  let bytes: Buffer | undefined;
  try {
    bytes = await disk.readFile(path);
    if (bytes === undefined) return await createIdentity(disk, dataDir, path, nodeId, cluster);
  } catch (error) {
    throw toStorageError(error, `opening ${path}`);
  }
  const identity = parse(path, bytes);
  const advice = 'Nothing was changed. Start this node on its own directory, or give it an empty one.';
  if (identity.nodeId !== nodeId) {
    throw new StorageError('WRONG_NODE', `data directory ${dataDir} belongs to node ${identity.nodeId}, not ${nodeId}. ${advice}`);
  }
  if (identity.cluster !== undefined && cluster !== undefined && identity.cluster !== cluster) {
    throw new StorageError(
      'WRONG_NODE',
      `data directory ${dataDir} belongs to cluster ${identity.cluster}, not ${cluster}. ${advice}`,
    );
  }
  return identity;
}

async function createIdentity(
  disk: Disk,
  dataDir: string,
  path: string,
  nodeId: NodeId,
  cluster: string | undefined,
): Promise<Identity> {
  await disk.makeDirectory(dataDir);
  const diskId = randomUUID();
  const json = { format: IDENTITY_FORMAT, nodeId, diskId, ...(cluster === undefined ? {} : { cluster }) };
  await disk.replaceFile(path, Buffer.from(`${JSON.stringify(json, undefined, 2)}\n`));
  return { nodeId, diskId, cluster, created: true };
}

function parse(path: string, bytes: Buffer): Identity {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw damaged(path, 'it is not JSON');
  }
  const { format, nodeId, diskId, cluster } = (json ?? {}) as { [name: string]: unknown };
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) throw damaged(path, 'it has no format number');
  if (format > IDENTITY_FORMAT) throw newerFormat(path, format, IDENTITY_FORMAT);
  if (typeof nodeId !== 'string' || !isNodeId(nodeId)) throw damaged(path, 'it has no node id');
  if (typeof diskId !== 'string' || diskId === '') throw damaged(path, 'it has no disk id');
  if (cluster !== undefined && typeof cluster !== 'string') throw damaged(path, 'its cluster is not a text');
  return { nodeId, diskId, cluster, created: false };
}

function damaged(path: string, why: string): StorageError {
  const advice = 'It was not replaced: the log beside it is untouched. Restore the file from a copy, or replace the node.';
  return new StorageError('DAMAGED_IDENTITY', `${path} cannot be read: ${why}. ${advice}`);
}
