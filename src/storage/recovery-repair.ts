/** What recovery changes on the disk, in an order that leaves a whole log wherever it is interrupted. */
import { assert } from '../base/assert.ts';
import { isBehind } from '../raft/log-position.ts';
import type { HardState, LogPosition } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { newerHardState } from './hard-state.ts';
import type { LogHead } from './log-head.ts';
import type { SegmentFile } from './segment-files.ts';
import type { OpenSegment, Survey } from './survey.ts';
import type { UnitPlace } from './unit-format.ts';

const ZEROS = Buffer.alloc(1024 * 1024);

/** The head, when what the survey found is lost: with the furthest floor and the newest hard state that anything shows. */
export function newestHead(head: LogHead, hardState: HardState, survey?: Survey): LogHead {
  const newest = newerHardState(newerHardState(head.start.hardState, hardState), survey?.hardState ?? hardState);
  return { ...head, start: { ...head.start, hardState: newest }, floor: further(head.floor, survey?.last) };
}

function further(one: LogPosition | undefined, other: LogPosition | undefined): LogPosition | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return isBehind(one, other) ? other : one;
}

/** Whether units can be written to it. A short one is, once it is filled up. */
export function isWritable({ fault }: OpenSegment): boolean {
  return fault === undefined || fault.kind === 'short';
}

/** What such a segment held is not known, and perhaps nobody else knows. One of zeros but for its header held nothing. */
export function isUnknown({ number, fault }: OpenSegment, survey: Survey | undefined): boolean {
  if (fault === undefined) return false;
  return fault.kind !== 'header' || survey === undefined || survey.dirty.some(({ segment }) => segment.number === number);
}

export function segmentFile({ number, path, segmentBytes, file }: OpenSegment): SegmentFile {
  assert(file !== undefined, 'a segment that is used is there');
  return { number, path, segmentBytes, file };
}

/** The last first, so that what is left has no gaps. */
export async function removeSegments(disk: Disk, segments: readonly OpenSegment[]): Promise<void> {
  for (const { file, path } of [...segments].reverse()) {
    if (file === undefined) continue;
    await file.close();
    await disk.remove(path);
  }
}

export interface Ending {
  readonly segments: readonly OpenSegment[];
  /** Where the log ends. */
  readonly segment: OpenSegment;
  readonly position: number;
  readonly lastWrite: UnitPlace | undefined;
  readonly survey: Survey;
  /** All segments behind are going to be removed. */
  readonly removesBehind: boolean;
}

/**
 * Bytes that a killed process left may be in the page cache alone, and after a failed fdatasync the cache calls them clean: syncing is
 * not enough. So the last write, the only one not known durable, is written again. The torn tail becomes zeros, so that its
 * later units cannot fall into place behind a new one.
 */
export async function makeDurable({ segments, segment: end, position, lastWrite, survey, removesBehind }: Ending): Promise<void> {
  const touched = new Set<OpenSegment>();
  const last = segments.find(({ number }) => number === lastWrite?.segment);
  if (lastWrite !== undefined && last !== undefined) {
    // It may have ended an earlier segment, when what was cut began this one.
    const to = last === end ? position : lastWrite.position;
    await rewrite(last, lastWrite.position, to);
    touched.add(last);
  }
  for (const { segment, position: at, bytes } of survey.dirty) {
    if (segment !== end && (removesBehind || segment.fault !== undefined)) continue;
    await segment.file?.write(at, [Buffer.alloc(bytes)]);
    touched.add(segment);
  }
  if (await fillUp(end)) touched.add(end);
  for (const { file } of touched) await file?.sync();
}

async function rewrite({ file }: OpenSegment, from: number, to: number): Promise<void> {
  if (to > from && file !== undefined) await file.write(from, [await file.read(from, to - from)]);
}

/** A segment that was cut short has all of its bytes again. */
async function fillUp({ file, readableBytes, segmentBytes }: OpenSegment): Promise<boolean> {
  for (let at = readableBytes; at < segmentBytes; at += ZEROS.length)
    await file?.write(at, [ZEROS.subarray(0, Math.min(ZEROS.length, segmentBytes - at))]);
  return readableBytes < segmentBytes;
}
