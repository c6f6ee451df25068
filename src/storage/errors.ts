import type { LogIndex } from '../raft/types.ts';

/**
 * What storage says when it cannot go on. Each message tells what happened, what was kept and what to do.
 *
 * - `DAMAGED_LOG`: bytes that were durable once are no longer what was written. Nothing was changed.
 * - `DAMAGED_ENTRY`: one entry is no longer what was written; it has the `index` of the error, and can be repaired from another replica.
 * - `DAMAGED_IDENTITY`: `identity.json` cannot be read. Nothing was changed.
 * - `DAMAGED_SNAPSHOT`: a snapshot is not what was written. It is dropped: another one is made or fetched.
 * - `NEWER_FORMAT`: written by a newer Lograft. Nothing was changed.
 * - `WRONG_NODE`: the data directory belongs to another node. Nothing was changed.
 * - `LOCKED`: another process uses the data directory.
 * - `DISK_FULL`: no room for what must exist before the log can be opened. Later a full disk is `RaftLog.hasRoomFor`, not an error.
 * - `TRIMMED`: the entry was dropped from the log; a snapshot has what it did.
 * - `IO`: the disk refused. Terminal: what it holds of the last write is unknown until recovery looks.
 */
export type StorageErrorCode =
  | 'DAMAGED_LOG'
  | 'DAMAGED_ENTRY'
  | 'DAMAGED_IDENTITY'
  | 'DAMAGED_SNAPSHOT'
  | 'NEWER_FORMAT'
  | 'WRONG_NODE'
  | 'LOCKED'
  | 'DISK_FULL'
  | 'TRIMMED'
  | 'IO';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  /** Of the entry, in `DAMAGED_ENTRY`. */
  readonly index: LogIndex | undefined;

  constructor(code: StorageErrorCode, message: string, options?: { cause?: unknown; index?: LogIndex }) {
    super(message, options);
    this.code = code;
    this.index = options?.index;
  }
}

const REPLACE_NODE =
  'Do not delete parts of the log: this node would vote without what it promised to keep. Keep the directory for inspection, check the ' +
  'disk, and restore this exact directory from an intact copy or replace the node (docs/storage.md, "Damage").';

/** Once durable bytes are gone. `kept` says what is still whole. */
export function damagedLog(file: string, offset: number, what: string, kept: string): StorageError {
  return new StorageError(
    'DAMAGED_LOG',
    `damaged log: ${what} in ${file} at byte ${offset}. ${kept} Nothing was changed. ${REPLACE_NODE}`,
  );
}

export function newerFormat(file: string, format: number, supported: number): StorageError {
  const what = `${file} has format ${format}, this version of Lograft reads up to ${supported}`;
  return new StorageError(
    'NEWER_FORMAT',
    `${what}. Nothing was changed. Start the newer version of Lograft on this data directory.`,
  );
}

export function damagedEntry(index: LogIndex, what: string): StorageError {
  const advice = 'Others are untouched. Another replica has it: repair it from there.';
  return new StorageError('DAMAGED_ENTRY', `entry ${index} is damaged: ${what}. ${advice}`, { index });
}

/** Not an error of the log: whoever wants the entry takes a snapshot instead. */
export function trimmed(index: number, baseIndex: number): StorageError {
  return new StorageError('TRIMMED', `entry ${index} was dropped: the log begins after ${baseIndex}. A snapshot has what it did.`);
}

/** The node can neither go on from its log nor from its state. */
export function lostSnapshot(index: number): StorageError {
  const what = `the log begins after entry ${index}: what came before is in a snapshot that is lost, and not in the state`;
  return new StorageError(
    'DAMAGED_SNAPSHOT',
    `${what}. Nothing was changed. Give the node an empty data directory and replace it in its group.`,
  );
}

export function toStorageError(error: unknown, doing: string): StorageError {
  if (error instanceof StorageError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (isDiskFull(error)) {
    return new StorageError(
      'DISK_FULL',
      `disk full while ${doing}: ${reason}. Stored data is untouched. Free space, then start again.`,
      {
        cause: error,
      },
    );
  }
  const message = `${doing} failed: ${reason}. What was acknowledged is kept. Check the disk, then start again: recovery finds what is whole.`;
  return new StorageError('IO', message, { cause: error });
}

export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'DISK_FULL';
}
