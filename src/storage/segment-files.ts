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
  readonly segmentBytes: number;
}

export interface FoundLog {
  readonly head: LogHead;
  /** So it was before the first units of format 2. */
  readonly headIsMissing: boolean;
  /** From the one where the log begins, without gaps, each with its file's size. */
  readonly segments: readonly FoundSegment[];
  /** Segments before that one, which are no part of the log any more. */
  readonly dropped: readonly string[];
}

/** Undefined for a log that was never made. Removes segments that were still being filled. */
export async function findLog(disk: Disk, directory: string): Promise<FoundLog | undefined> {
  const names = await disk.list(directory);
  const numbers = names.map(segmentNumber).filter((number) => number !== undefined);
  const stored = await readHead(disk, directory);
  if (stored === undefined && numbers.length === 0) {
    await removeFilling(disk, directory, names);
    return undefined;
  }
  const first = stored?.start.segment ?? 1;
  const dropped = numbers.filter((number) => number < first).map((number) => segmentPath(directory, number));
  const segments: FoundSegment[] = [];
  let logId = stored?.logId;
  for (const [at, number] of numbers
    .filter((number) => number >= first)
    .sort((a, b) => a - b)
    .entries()) {
    const expected = first + at;
    const path = segmentPath(directory, expected);
    const kept = at === 0 ? 'Nothing before it exists.' : `Segments ${first} to ${expected - 1} are there.`;
    if (number !== expected) throw damagedLog(path, 0, `segment ${expected} is missing while ${number} exists: expected it`, kept);
    const header = await readHeader(disk, path, number);
    if (logId !== undefined && !logId.equals(header.logId)) throw damagedLog(path, 0, 'a segment of another log', kept);
    logId = header.logId;
    segments.push({ number, path, segmentBytes: header.segmentBytes });
  }
  if (logId === undefined || segments.length === 0) {
    throw damagedLog(
      segmentPath(directory, first),
      0,
      `segment ${first} is missing, where the log begins: expected it`,
      'The head is there.',
    );
  }
  await removeFilling(disk, directory, names);
  return { head: stored ?? firstHead(logId), headIsMissing: stored === undefined, segments, dropped };
}

async function removeFilling(disk: Disk, directory: string, names: readonly string[]): Promise<void> {
  for (const name of names.filter(isFilling)) await disk.remove(join(directory, name));
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
