import type { Entry, LogIndex, RestoredLog, Term, WriteSequence, WriteUnit } from '../raft/types.ts';

/** The durable log of one replica, as the replica shell sees it. */
export interface RaftLog {
  /** What recovery found. */
  readonly restored: RestoredLog;
  /** Index of the last entry taken by `write`, durable or not. */
  readonly lastIndex: LogIndex;
  /**
   * Takes a unit; it is readable at once and durable when `onWritten` says so. One disk write is outstanding at a time: units that
   * arrive meanwhile go out together as the next one (group commit).
   */
  write(unit: WriteUnit): void;
  /**
   * Entries from `first` to `last` (both included), cut after `maxBytes` of payload but never empty. Synchronous out of the cache
   * of recent entries, else a promise from the disk with checksums verified. The caller checks terms: what it asked for may have been replaced meanwhile.
   */
  read(first: LogIndex, last: LogIndex, maxBytes: number): readonly Entry[] | Promise<readonly Entry[]>;
  /**
   * Whether `bytes` more payload fit on the disk. False once no further segment can be preallocated (disk full or quota) and the
   * rest is kept for elections. Becomes true again by itself when space is freed.
   */
  hasRoomFor(bytes: number): boolean;
  /** Waits for outstanding writes, then closes. */
  close(): Promise<void>;
}

export interface RaftLogEvents {
  /** Units up to `sequence` are durable; `term` is the hard state term of that unit. */
  onWritten(sequence: WriteSequence, term: Term): void;
  /** A write or fsync failed, or damage was found. Terminal: the process must exit without acknowledging anything more. */
  onFailed(error: Error): void;
}
