/** Which segment files a log has, and whether they belong together. */
import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { damagedLog, newerFormat } from './errors.ts';
import { decodeHead, firstHead, headPath, type LogHead } from './log-head.ts';
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

export interface FoundSegment {
  readonly number: number;
  readonly path: string;
  /** As its header says; as its file has where that cannot be read. */
  readonly segmentBytes: number;
  /** What the file has of it. */
  readonly readableBytes: number;
  readonly fault: SegmentFault | undefined;
}

export interface SegmentFault {
  /** `header`: what is behind it may be whole. `short`: so is what there is. */
  readonly kind: 'missing' | 'foreign' | 'header' | 'short';
  readonly what: string;
}

export interface FoundLog {
  readonly head: LogHead;
  /** So it was before the first units of format 2. */
  readonly headIsMissing: boolean;
  /** From the one where the log begins, without gaps: those that are missing stand for themselves. */
  readonly segments: readonly FoundSegment[];
  /** Segments before that one, which are no part of the log any more. */
  readonly dropped: readonly string[];
}

/** Undefined for a log that was never made. Removes segments that were still being filled. */
export async function findLog(disk: Disk, directory: string): Promise<FoundLog | undefined> {
  const names = await disk.list(directory);
  const numbers = names
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => a - b);
  const stored = await readHead(disk, directory);
  const found = await findSegments(disk, directory, stored, numbers);
  for (const name of names.filter(isFilling)) await disk.remove(join(directory, name));
  return found;
}

async function findSegments(
  disk: Disk,
  directory: string,
  stored: LogHead | undefined,
  numbers: readonly number[],
): Promise<FoundLog | undefined> {
  const last = numbers.at(-1);
  const first = stored?.start.segment ?? 1;
  if (last === undefined) {
    if (stored === undefined) return undefined;
    throw damagedLog(segmentPath(directory, first), 0, 'all segments are missing: expected one', 'The head is there.');
  }
  const head = stored ?? (await inferHead(disk, directory));
  const segments: FoundSegment[] = [];
  for (let number = first; number <= Math.max(first, last); number++) {
    segments.push(await inspectSegment(disk, directory, number, numbers.includes(number), head));
  }
  const dropped = numbers.filter((number) => number < first).map((number) => segmentPath(directory, number));
  return { head, headIsMissing: stored === undefined, segments, dropped };
}

async function readHead(disk: Disk, directory: string): Promise<LogHead | undefined> {
  const path = headPath(directory);
  const bytes = await disk.readFile(path);
  if (bytes === undefined) return undefined;
  const verdict = decodeHead(bytes);
  if (verdict.type === 'newerFormat') throw newerFormat(path, verdict.format, verdict.supported);
  if (verdict.type === 'damaged') throw damagedLog(path, 0, 'a damaged head', 'The segments were not looked at.');
  return verdict.head;
}

/** A log without a head is one from which nothing was ever dropped: it has its first segment. */
async function inferHead(disk: Disk, directory: string): Promise<LogHead> {
  const path = segmentPath(directory, 1);
  const numbers = (await disk.list(directory)).map(segmentNumber);
  const why = 'the head is missing, which says where the log begins';
  if (!numbers.includes(1)) throw damagedLog(headPath(directory), 0, why, 'Segments are there, but not the first.');
  const file = await disk.open(path, { create: false });
  try {
    const verdict = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
    if (verdict.type === 'newerFormat') throw newerFormat(path, verdict.format, SEGMENT_FORMAT);
    if (verdict.type === 'damaged')
      throw damagedLog(path, 0, `a damaged segment header, and ${why},`, 'What lies behind was not looked at.');
    return firstHead(verdict.header.logId);
  } finally {
    await file.close();
  }
}

async function inspectSegment(
  disk: Disk,
  directory: string,
  number: number,
  exists: boolean,
  { logId }: LogHead,
): Promise<FoundSegment> {
  const path = segmentPath(directory, number);
  const faulty = (kind: SegmentFault['kind'], what: string, segmentBytes = 0, readableBytes = segmentBytes): FoundSegment => ({
    number,
    path,
    segmentBytes,
    readableBytes,
    fault: { kind, what: `${what} (segment ${number})` },
  });
  if (!exists) return faulty('missing', 'a missing segment');
  const file = await disk.open(path, { create: false });
  try {
    const verdict = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
    const size = await file.size();
    if (verdict.type === 'newerFormat') throw newerFormat(path, verdict.format, SEGMENT_FORMAT);
    if (verdict.type === 'damaged') return faulty('header', 'a damaged segment header', size);
    const { header } = verdict;
    if (!header.logId.equals(logId)) return faulty('foreign', 'a segment of another log', size);
    if (header.number !== number) return faulty('foreign', `a copy of segment ${header.number}`, size);
    return sized(header, path, size, faulty);
  } finally {
    await file.close();
  }
}

function sized(
  { number, segmentBytes }: SegmentHeader,
  path: string,
  size: number,
  faulty: (kind: 'short', what: string, segmentBytes: number, readableBytes: number) => FoundSegment,
): FoundSegment {
  if (size < segmentBytes) return faulty('short', `a segment cut from ${segmentBytes} to ${size} bytes`, segmentBytes, size);
  return { number, path, segmentBytes, readableBytes: segmentBytes, fault: undefined };
}
