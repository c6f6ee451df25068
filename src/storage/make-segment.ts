import type { Disk } from './disk.ts';
import type { SegmentFile } from './segment-files.ts';
import { encodeSegmentHeader, fillingPath, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentPath } from './segment-header.ts';

/**
 * Written and synced at a time. Smaller ones cost a sync each, and at full speed appends overtake the filling and wait (1 MiB: p99 of 256 KiB
 * appends 115 to 150 ms, 4 MiB: 42 to 47 ms); larger ones hold up single appends.
 */
const CHUNK_BYTES = 4 * 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/**
 * Makes a segment file full of zeros, durable before it gets its name. Between chunks it asks `goOn`; false: undefined is returned. Leaves
 * nothing behind when it does not succeed: others use this disk too, and what a full one gave is handed back.
 */
export async function makeSegment(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
  goOn: () => Promise<boolean>,
): Promise<SegmentFile | undefined> {
  const { number, segmentBytes } = header;
  const filling = fillingPath(directory, number);
  const path = segmentPath(directory, number);
  const file = await disk.open(filling, { create: true });
  try {
    await file.write(0, [encodeSegmentHeader(header)]);
    for (let at = SEGMENT_HEADER_BYTES; at < segmentBytes; at += CHUNK_BYTES) {
      await file.write(at, [ZEROS.subarray(0, Math.min(CHUNK_BYTES, segmentBytes - at))]);
      await file.sync();
      if (!(await goOn())) {
        await file.close();
        await disk.remove(filling);
        return undefined;
      }
    }
    // Closed first: an open file may hold on to the name it was opened with.
    await file.close();
    await disk.rename(filling, path);
    return { number, path, segmentBytes, file: await disk.open(path, { create: false }) };
  } catch (error) {
    await file.close().catch(() => {});
    await disk.remove(filling).catch(() => {});
    throw error;
  }
}
