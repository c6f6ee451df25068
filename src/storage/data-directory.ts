/** All that a node keeps, opened in the one order that is safe. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NodeId } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { StorageError } from './errors.ts';
import { type FoundingFile, foundingFile } from './founding-file.ts';
import { createIdentity, type Identity, readIdentity } from './identity.ts';
import type { KeyedState } from './keyed-state.ts';
import { openLevelState } from './level-state.ts';
import type { RaftLog, RaftLogEvents } from './raft-log.ts';
import { segmentNumber } from './segment-header.ts';
import { openSegmentedLog, type SegmentedLogOptions } from './segmented-log.ts';
import { openSnapshotStore, type SnapshotStore } from './snapshot-store.ts';
import { readAround } from './unreadable.ts';

export interface DataDirectory {
  /** Its lock keeps every other process out. Close it last. */
  readonly keyed: KeyedState;
  readonly log: RaftLog;
  readonly snapshots: SnapshotStore;
  readonly identity: Identity;
  readonly founding: FoundingFile;
  /** This disk was first used just now: the node has promised nothing on it. */
  readonly isNew: boolean;
}

export interface DataDirectoryOptions extends SegmentedLogOptions {
  /** Opens the derived state, or throws `LOCKED`. Default: LevelDB. */
  readonly openKeyed?: ((path: string) => Promise<KeyedState>) | undefined;
}

/**
 * Opens, and at first use makes, `identity.json`, `state/`, `log/` and `snapshots/` below `dataDir`. The identity is written last: from then
 * on a directory without a log has lost it, and with it the votes and acknowledgements of this node. Rejects with a StorageError.
 */
export async function openDataDirectory(
  disk: Disk,
  dataDir: string,
  nodeId: NodeId,
  options: DataDirectoryOptions,
  events: RaftLogEvents,
): Promise<DataDirectory> {
  // The lock comes first: all that follows may be done by one process at a time.
  const keyed = await (options.openKeyed ?? openLevelState)(join(dataDir, 'state'));
  try {
    return { keyed, ...(await openStores(disk, dataDir, nodeId, options, events)) };
  } catch (error) {
    await keyed.close();
    throw error;
  }
}

async function openStores(
  disk: Disk,
  dataDir: string,
  nodeId: NodeId,
  options: DataDirectoryOptions,
  events: RaftLogEvents,
): Promise<Omit<DataDirectory, 'keyed'>> {
  const logDirectory = join(dataDir, 'log');
  const readable = readAround(disk);
  const found = await readIdentity(readable, dataDir, nodeId);
  const segments = (await disk.list(logDirectory)).filter((name) => segmentNumber(name) !== undefined);
  if (found !== undefined && segments.length === 0) throw lostLog(dataDir, nodeId);
  const snapshots = await openSnapshotStore(disk, join(dataDir, 'snapshots'));
  const log = await openSegmentedLog(disk, logDirectory, options, events);
  const { lastIndex, hardState } = log.restored;
  if (found === undefined && (lastIndex > 0 || hardState.term > 0)) {
    await log.close();
    throw lostIdentity(dataDir);
  }
  const identity = found ?? (await createIdentity(disk, dataDir, nodeId, options.randomBytes ?? randomBytes));
  return { log, snapshots, identity, founding: foundingFile(readable, dataDir), isNew: found === undefined };
}

function lostLog(dataDir: string, nodeId: NodeId): StorageError {
  const what = `data directory ${dataDir} belongs to node ${nodeId}, but its log is gone`;
  const why = 'Without it this node could vote twice and forget what it acknowledged, so it does not start. Nothing was changed.';
  return new StorageError('DAMAGED_LOG', `${what}. ${why} Restore the log directory from an intact copy, or replace the node.`);
}

function lostIdentity(dataDir: string): StorageError {
  const what = `data directory ${dataDir} holds a log, but no identity.json that says whose`;
  return new StorageError('DAMAGED_IDENTITY', `${what}. Nothing was changed. Restore the file from a copy, or replace the node.`);
}
