import type { Entry, LogBase, LogIndex, LogPosition, RestoredLog, Term, WriteSequence, WriteUnit } from '../raft/types.ts';

/** What recovery had to do, for one line in the log of the process. */
export interface LogRecovery {
  /** Of a torn tail, or of what lay behind damage: removed. */
  readonly cutBytes: number;
  /** How many entries are damaged. */
  readonly damagedEntries: number;
  /** The first entry that was durable once and is lost; its term is the newest that it can have had. */
  readonly cutFrom: LogPosition | undefined;
  /** As in `restored`. */
  readonly floor: LogPosition | undefined;
  readonly notes: readonly string[];
}

/** The durable log of one replica, as the replica shell sees it. */
export interface RaftLog {
  /** What recovery found. */
  readonly restored: RestoredLog;
  readonly recovery: LogRecovery;
  /** Last dropped entry; everything after it is here. */
  readonly base: LogBase;
  /** Index of the first entry that is here, or would be: `base.index + 1`. */
  readonly firstIndex: LogIndex;
  /** Index of the last entry taken by `write`, durable or not. */
  readonly lastIndex: LogIndex;
  /**
   * Takes a unit; it is readable at once and durable when `onWritten` says so. One disk write is outstanding at a time: units that
   * arrive meanwhile go out together as the next one (group commit). `unit.reset`: first of all every entry goes and the log begins anew
   * after that base; after a crash it is either the old log or the new one.
   */
  write(unit: WriteUnit): void;
  /**
   * Entries from `first` to `last` (both included), cut after `maxBytes` of payload but never empty. Synchronous out of the cache
   * of recent entries, else a promise from the disk with checksums verified. The caller checks terms: what it asked for may have been replaced meanwhile.
   * Rejects with the StorageError `TRIMMED` when `first` is not after the base, or no longer when the disk answers; with
   * `DAMAGED_ENTRY` and its `index` when the first of them is damaged. Those before a damaged one are returned.
   */
  read(first: LogIndex, last: LogIndex, maxBytes: number): readonly Entry[] | Promise<readonly Entry[]>;
  /**
   * Drops all entries up to `base`: committed, durable, and in a durable snapshot, as the caller promises. Reads no longer find them at once;
   * resolves when the segments that hold nothing else are removed. An older base than the present one changes nothing.
   */
  trim(base: LogBase): Promise<void>;
  /** Entries that the disk no longer has as they were written, ascending. Each is known by index and term, and is not lost to the group. */
  damaged(): readonly LogPosition[];
  /** Puts a damaged entry back, durably, from another replica. Rejects and changes nothing when it is not the one that was written. */
  repair(entry: Entry): Promise<void>;
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
  /** An entry is no longer what was written, as a read or the scrubber found: it is in `damaged()` now. */
  onDamaged?(index: LogIndex, what: string): void;
  /** The scrubber found that the log will be cut when it is opened again. Told once. */
  onDamagedStructure?(what: string): void;
  /** A write or fsync failed. Terminal: the process must exit without acknowledging anything more. */
  onFailed(error: Error): void;
}
