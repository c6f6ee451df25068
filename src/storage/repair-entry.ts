import { crc32c } from '@node-rs/crc32';
import type { Entry, Term } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import type { EntryPosition } from './entry-index.ts';
import { damagedEntry, type StorageError } from './errors.ts';
import { segmentPath } from './segment-header.ts';

/** What tells that an entry is not the one that was written; undefined when it is. */
export function mismatch(entry: Entry, term: Term, { kind, payloadBytes, crc }: EntryPosition): StorageError | undefined {
  const { index, payload } = entry;
  const differs =
    entry.term !== term
      ? `it is of term ${term}, not ${entry.term}`
      : entry.kind !== kind
        ? `it is of kind ${kind}, not ${entry.kind}`
        : payload.byteLength !== payloadBytes || crc32c(payload) !== crc
          ? 'its payload is another'
          : undefined;
  return differs === undefined
    ? undefined
    : damagedEntry(index, `what is to repair it is not the entry that was written: ${differs}`);
}

/** More than any block of a file system: what the page of a bad sector holds cannot be read either. */
const NEIGHBOURHOOD_BYTES = 64 * 1024;

/** Writes the payload where it was. Half of it is as damaged as before, whatever interrupts it. */
export async function writePayload(disk: Disk, directory: string, { payload }: Entry, place: EntryPosition): Promise<void> {
  if (payload.byteLength === 0) return;
  const file = await disk.open(segmentPath(directory, place.segment), { create: false });
  try {
    // Shows which sectors at its edges cannot be read, and have to be written whole.
    const from = Math.max(0, place.position - NEIGHBOURHOOD_BYTES);
    await file.read(from, place.position + payload.byteLength + NEIGHBOURHOOD_BYTES - from);
    await file.writeDurably(place.position, [payload]);
  } finally {
    await file.close();
  }
}
