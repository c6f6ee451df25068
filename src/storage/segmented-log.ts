/** The log on the disk: segments of units. */
import { assert } from '../base/assert.ts';
import type { Disk } from './disk.ts';
import { DurableLog } from './durable-log.ts';
import { toStorageError } from './errors.ts';
import { firstHead } from './log-head.ts';
import { makeSegment } from './make-segment.ts';
import type { RaftLog, RaftLogEvents } from './raft-log.ts';
import { recoverLog } from './recovery.ts';
import { type FoundLog, findLog } from './segment-files.ts';
import { grownSegmentBytes } from './segment-header.ts';
import { type CheckedOptions, checkOptions, type SegmentedLogOptions } from './segmented-log-options.ts';
import { readAround } from './unreadable.ts';

export type { SegmentedLogOptions } from './segmented-log-options.ts';

/**
 * Opens the log in `directory`, or makes one. What it restores is durable; what it did to damage is in `recovery`. Rejects with a
 * `StorageError` and changes nothing when it cannot tell what was lost, when a newer version wrote it, or when it cannot be read.
 *
 *     const log = await openSegmentedLog(nodeDisk, '/var/lib/lograft/log', { cacheBytes: 16 * 1024 * 1024 }, events);
 */
export async function openSegmentedLog(
  disk: Disk,
  directory: string,
  options: SegmentedLogOptions,
  events: RaftLogEvents,
): Promise<RaftLog> {
  const checked = checkOptions(options);
  const readable = readAround(disk);
  try {
    await readable.makeDirectory(directory);
    const found = (await findLog(readable, directory)) ?? (await createLog(readable, directory, checked));
    const recovered = await recoverLog({ disk: readable, directory, found, segmentBytes: checked.segmentBytes });
    return new DurableLog({ disk: readable, directory, options: checked, events, recovered });
  } catch (error) {
    throw toStorageError(error, `opening the log in ${directory}`);
  }
}

/** The first segment, so that an open log can be written to whatever else fills the disk. */
async function createLog(disk: Disk, directory: string, options: CheckedOptions): Promise<FoundLog> {
  const { randomBytes } = options;
  const segmentBytes = grownSegmentBytes(1, options.segmentBytes);
  const header = { number: 1, segmentBytes, logId: randomBytes(16) };
  const made = await makeSegment(disk, directory, header, () => Promise.resolve(true));
  assert(made !== undefined, 'nobody stops the first segment');
  await made.file.close();
  return {
    head: firstHead(header.logId),
    headIsMissing: true,
    segments: [{ ...made, readableBytes: segmentBytes, fault: undefined }],
    dropped: [],
  };
}
