/** All that a node keeps, opened in the one order that is safe. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NodeId } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { StorageError } from './errors.ts';
import { type GroupLedger, openGroupLedger } from './group-ledger.ts';
import { createIdentity, type Identity, readIdentity } from './identity.ts';
import type { KeyedState } from './keyed-state.ts';
import { KeyedView } from './keyed-view.ts';
import { openLevelState } from './level-state.ts';
import type { RaftLog, RaftLogEvents } from './raft-log.ts';
import { segmentNumber } from './segment-header.ts';
import { openSegmentedLog, type SegmentedLogOptions } from './segmented-log.ts';
import { openSnapshotStore, type SnapshotStore } from './snapshot-store.ts';
import { readAround } from './unreadable.ts';

/** What one group keeps on a node. */
export interface GroupStorage {
  readonly log: RaftLog;
  readonly snapshots: SnapshotStore;
  /** The group's part of the node's derived state. */
  readonly keyed: KeyedState;
}

export interface DataDirectory {
  readonly identity: Identity;
  readonly groups: GroupLedger;
  /** Opens, and at first use makes, what a group keeps here. Rejects with a StorageError. */
  openGroup(group: string, options: SegmentedLogOptions, events: RaftLogEvents): Promise<GroupStorage>;
  /** After all groups are closed: lets other processes in. */
  close(): Promise<void>;
}

export interface DataDirectoryOptions {
  /** Opens the derived state, or throws `LOCKED`. Default: LevelDB. */
  readonly openKeyed?: ((path: string) => Promise<KeyedState>) | undefined;
  readonly randomBytes?: ((length: number) => Buffer) | undefined;
}

/**
 * Opens, and at first use makes, a node's directory: `identity.json`, `groups.json`, `state/`, and below `groups/` for each group `log/` and
 * `snapshots/`. Rejects with a StorageError.
 */
export async function openDataDirectory(
  disk: Disk,
  dataDir: string,
  nodeId: NodeId,
  options: DataDirectoryOptions = {},
): Promise<DataDirectory> {
  // The lock comes first: all that follows may be done by one process at a time.
  const keyed = await (options.openKeyed ?? openLevelState)(join(dataDir, 'state'));
  try {
    const readable = readAround(disk);
    const found = await readIdentity(readable, dataDir, nodeId);
    await disk.makeDirectory(dataDir);
    const groups = await openGroupLedger(readable, dataDir, found === undefined);
    // Last: from then on this disk has a name, and everything that it promises under it can be missed.
    const identity = found ?? (await createIdentity(disk, dataDir, nodeId, options.randomBytes ?? randomBytes));
    return {
      identity,
      groups,
      openGroup: async (group, logOptions, events) => {
        const directory = join(dataDir, 'groups', group);
        const lost = groups.founding(group) !== undefined && !(await hasLog(disk, directory));
        if (lost) throw lostLog(dataDir, nodeId, group);
        return { ...(await openStores(disk, directory, logOptions, events)), keyed: new KeyedView(keyed, group) };
      },
      close: () => keyed.close(),
    };
  } catch (error) {
    await keyed.close();
    throw error;
  }
}

async function hasLog(disk: Disk, directory: string): Promise<boolean> {
  return (await disk.list(join(directory, 'log'))).some((name) => segmentNumber(name) !== undefined);
}

async function openStores(
  disk: Disk,
  directory: string,
  options: SegmentedLogOptions,
  events: RaftLogEvents,
): Promise<Omit<GroupStorage, 'keyed'>> {
  const snapshots = await openSnapshotStore(disk, join(directory, 'snapshots'));
  const log = await openSegmentedLog(disk, join(directory, 'log'), options, events);
  return { log, snapshots };
}

function lostLog(dataDir: string, nodeId: NodeId, group: string): StorageError {
  const what = `data directory ${dataDir} belongs to node ${nodeId}, but its log of group ${group} is gone`;
  const why = 'Without it this node could vote twice and forget what it acknowledged, so it does not start. Nothing was changed.';
  return new StorageError('DAMAGED_LOG', `${what}. ${why} Restore the log directory from an intact copy, or replace the node.`);
}
