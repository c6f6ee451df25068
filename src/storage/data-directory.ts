/** All that a node keeps, opened in the one order that is safe. */
import { join } from 'node:path';
import type { NodeId } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { StorageError } from './errors.ts';
import { createIdentity, readIdentity } from './identity.ts';
import type { KeyedState } from './keyed-state.ts';
import { openLevelState } from './level-state.ts';
import type { RaftLog, RaftLogEvents } from './raft-log.ts';
import { openSegmentedLog, type SegmentedLogOptions } from './segmented-log.ts';

export interface DataDirectory {
  /** Its lock keeps every other process out. Close it last. */
  readonly keyed: KeyedState;
  readonly log: RaftLog;
}

/**
 * Opens, and at first use makes, `identity.json`, `state/` and `log/` below `dataDir`. The identity is written last: from then on a
 * directory without a log has lost it, and with it the votes and acknowledgements of this node. Rejects with a StorageError.
 */
export async function openDataDirectory(
  disk: Disk,
  dataDir: string,
  nodeId: NodeId,
  options: SegmentedLogOptions,
  events: RaftLogEvents,
): Promise<DataDirectory> {
  // The lock comes first: all that follows may be done by one process at a time.
  const keyed = await openLevelState(join(dataDir, 'state'));
  try {
    const logDirectory = join(dataDir, 'log');
    const identity = await readIdentity(disk, dataDir, nodeId);
    const logIsMissing = (await disk.list(logDirectory)).length === 0;
    if (identity !== undefined && logIsMissing) throw lostLog(dataDir, nodeId);
    const log = await openSegmentedLog(disk, logDirectory, options, events);
    if (identity === undefined && log.restored.lastIndex > 0) {
      await log.close();
      throw lostIdentity(dataDir);
    }
    if (identity === undefined) await createIdentity(disk, dataDir, nodeId);
    return { keyed, log };
  } catch (error) {
    await keyed.close();
    throw error;
  }
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
