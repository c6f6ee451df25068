import { StorageError } from '../storage/errors.ts';

/** The entry was dropped from the log; a snapshot has what it did. */
export function isTrimmed(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'TRIMMED';
}

/** The disk no longer has the entry as it was written. */
export function isDamagedEntry(error: unknown): boolean {
  return error instanceof StorageError && (error.code as string) === 'DAMAGED_ENTRY';
}
