/** Which segment files a log has, and whether they belong together. */
import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { damagedLog, newerFormat } from './errors.ts';
import {
  decodeSegmentHeader,
  isFilling,
  SEGMENT_FORMAT,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentNumber,
  segmentPath,
} from './segment-header.ts';

export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  readonly segmentBytes: number;
}

export interface SegmentList {
  readonly logId: Buffer;
  /** Numbers 1 to n without gaps, each with its file's size. */
  readonly segments: readonly { readonly number: number; readonly path: string; readonly segmentBytes: number }[];
}

/** Undefined for a log that was never made. Removes segments that were still being filled. */
export async function listSegments(disk: Disk, directory: string): Promise<SegmentList | undefined> {
  const names = await disk.list(directory);
  for (const name of names.filter(isFilling)) await disk.remove(join(directory, name));
  const numbers = names.map(segmentNumber).filter((number) => number !== undefined);
  const segments: SegmentList['segments'][number][] = [];
  let logId: Buffer | undefined;
  for (const [at, number] of numbers.sort((a, b) => a - b).entries()) {
    const path = segmentPath(directory, at + 1);
    const kept = at === 0 ? 'Nothing before it exists.' : `Segments 1 to ${at} are there.`;
    if (number !== at + 1) throw damagedLog(path, 0, `segment ${at + 1} is missing while ${number} exists: expected it`, kept);
    const header = await readHeader(disk, path, number);
    if (logId !== undefined && !logId.equals(header.logId)) throw damagedLog(path, 0, 'a segment of another log', kept);
    logId = header.logId;
    segments.push({ number, path, segmentBytes: header.segmentBytes });
  }
  return logId === undefined ? undefined : { logId, segments };
}

async function readHeader(disk: Disk, path: string, number: number): Promise<SegmentHeader> {
  const file = await disk.open(path, { create: false });
  try {
    const verdict = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
    const kept = 'What lies behind the header was not looked at.';
    if (verdict.type === 'newerFormat') throw newerFormat(path, verdict.format, SEGMENT_FORMAT);
    if (verdict.type === 'damaged') throw damagedLog(path, 0, 'a damaged segment header', kept);
    const { header } = verdict;
    if (header.number !== number) throw damagedLog(path, 0, `a copy of segment ${header.number} in the place of ${number}`, kept);
    const size = await file.size();
    if (size < header.segmentBytes)
      throw damagedLog(path, size, `a segment cut from ${header.segmentBytes} to ${size} bytes`, kept);
    return header;
  } finally {
    await file.close();
  }
}
