/** What other members ask this one for, beside consensus: entries that their disks have damaged, and snapshots. */
import type { Entry, LogIndex, Term } from '../raft/types.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import { isDamagedEntry, isDamagedSnapshot, isTrimmed } from './log-errors.ts';
import type { SnapshotPiece } from './peer-network.ts';

/** The entry with this index and term is the same on whoever has it (Log Matching, paper 5.3). */
export async function entryAt(log: RaftLog, index: LogIndex, term: Term): Promise<Entry | undefined> {
  if (index < log.firstIndex || index > log.lastIndex) return undefined;
  try {
    const [entry] = await log.read(index, index, Number.MAX_SAFE_INTEGER);
    return entry?.term === term ? entry : undefined;
  } catch (error) {
    if (isTrimmed(error) || isDamagedEntry(error)) return undefined;
    throw error;
  }
}

export async function snapshotPiece(
  snapshots: SnapshotStore,
  index: LogIndex,
  term: Term,
  position: number,
  maxBytes: number,
): Promise<SnapshotPiece | undefined> {
  const info = snapshots.list().find((held) => held.index === index && held.term === term);
  if (info?.configuration === undefined || position > info.bytes) return undefined;
  try {
    const content = await snapshots.read(index, position, maxBytes);
    return { content, totalBytes: info.bytes, crc: info.crc, configuration: info.configuration };
  } catch (error) {
    if (isTrimmed(error) || isDamagedSnapshot(error)) return undefined;
    throw error;
  }
}
