import { StorageError } from '../storage/errors.ts';

/** The entry was dropped from the log; a snapshot has what it did. */
export function isTrimmed(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'TRIMMED';
}

/** Terminal: what the disk holds of the last write is not known. */
export function isRefusalOfDisk(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === 'IO';
}

/** The disk no longer has the entry as it was written. */
export function isDamagedEntry(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'DAMAGED_ENTRY';
}

/** It was dropped: another member has it, or makes it again. */
export function isDamagedSnapshot(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'DAMAGED_SNAPSHOT';
}
