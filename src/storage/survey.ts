import { isBehind } from '../raft/log-position.ts';
import type { HardState, LogIndex, LogPosition } from '../raft/types.ts';
import { isZero } from './bytes.ts';
import type { DiskFile } from './disk.ts';
import { newerHardState } from './hard-state.ts';
import type { FoundSegment } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentReader } from './segment-reader.ts';
import {
  decodeUnitHeader,
  readRow,
  TABLE_ROW_BYTES,
  tableMatches,
  UNIT_ALIGNMENT_BYTES,
  UNIT_HEADER_BYTES,
  type UnitHeader,
} from './unit-format.ts';

const BLOCK_BYTES = 64 * 1024;

export interface OpenSegment extends FoundSegment {
  /** Undefined when it is missing. */
  readonly file: DiskFile | undefined;
}

/** What lies behind the place where replaying stopped. */
export interface Survey {
  newerFormat: { readonly path: string; readonly format: number } | undefined;
  /** The newest unit that a whole unit calls durable. */
  attestedUpTo: number;
  /** A whole unit that says that the expected one was durable: where it is. */
  attested: string | undefined;
  /** A whole unit that no writer puts there: which and where. */
  contradiction: string | undefined;
  /** The newest position, hard state and sequence that whole units show. */
  last: LogPosition | undefined;
  hardState: HardState | undefined;
  sequence: number;
  /** Ranges that hold bytes other than zero. */
  readonly dirty: { readonly segment: OpenSegment; readonly position: number; readonly bytes: number }[];
}

/** Looks at everything from `position` in the first of the segments, up to the end of the last. */
export async function surveyBehind(
  segments: readonly OpenSegment[],
  position: number,
  expected: number,
  seed: number,
): Promise<Survey> {
  const survey: Survey = {
    newerFormat: undefined,
    attestedUpTo: 0,
    attested: undefined,
    contradiction: undefined,
    last: undefined,
    hardState: undefined,
    sequence: 0,
    dirty: [],
  };
  for (const [at, segment] of segments.entries()) {
    if (segment.file === undefined) continue;
    const reader = new SegmentReader(segment.file, segment.readableBytes);
    let from = at === 0 ? position : SEGMENT_HEADER_BYTES;
    while (from < segment.readableBytes) {
      const window = await reader.window(from);
      if (window.length === 0) break;
      await surveyWindow(survey, { segment, file: segment.file, first: at === 0, window, position: from, expected, seed });
      // Windows overlap by one header, so that one that lies across two of them is seen.
      from += from + window.length >= segment.readableBytes ? window.length : window.length - UNIT_HEADER_BYTES;
    }
  }
  return survey;
}

/** A whole header tells of itself, whether its payloads are whole or not. */
export async function noteUnit(
  survey: Survey,
  file: DiskFile,
  position: number,
  header: UnitHeader,
  tableCrc: number,
): Promise<void> {
  const { sequence, hardState, firstIndex, entryCount } = header;
  const table = await file.read(position + UNIT_HEADER_BYTES, entryCount * TABLE_ROW_BYTES);
  const readable = entryCount > 0 && tableMatches(table, header, tableCrc);
  // Without its table no more is known than that no entry has a newer term than the hard state: too far rather than not far enough.
  const term = readable ? readRow(table, entryCount - 1).term : header.lastTerm;
  const last = { index: (firstIndex + entryCount - 1) as LogIndex, term };
  if (survey.last === undefined || isBehind(survey.last, last)) survey.last = last;
  survey.hardState = survey.hardState === undefined ? hardState : newerHardState(survey.hardState, hardState);
  survey.sequence = Math.max(survey.sequence, sequence);
}

interface Window {
  readonly segment: OpenSegment;
  readonly file: DiskFile;
  /** In the segment where replaying stopped. */
  readonly first: boolean;
  readonly window: Buffer;
  readonly position: number;
  readonly expected: number;
  readonly seed: number;
}

async function surveyWindow(survey: Survey, look: Window): Promise<void> {
  const { segment, window, position, seed } = look;
  for (let block = 0; block < window.length; block += BLOCK_BYTES) {
    const bytes = window.subarray(block, block + BLOCK_BYTES);
    if (isZero(bytes)) continue;
    survey.dirty.push({ segment, position: position + block, bytes: bytes.length });
    for (let at = block; at < block + bytes.length; at += UNIT_ALIGNMENT_BYTES) {
      const verdict = decodeUnitHeader(window, at, { segment: segment.number, position: position + at }, seed);
      if (verdict.type === 'newerFormat') survey.newerFormat ??= { path: segment.path, format: verdict.format };
      if (verdict.type !== 'valid') continue;
      judge(survey, verdict.header, look, position + at);
      await noteUnit(survey, look.file, position + at, verdict.header, verdict.tableCrc);
    }
  }
}

function judge(survey: Survey, header: UnitHeader, look: Window, position: number): void {
  const { sequence, durableSequence } = header;
  const where = `unit ${sequence} in ${look.segment.path} at byte ${position}`;
  survey.attestedUpTo = Math.max(survey.attestedUpTo, durableSequence);
  if (durableSequence >= look.expected) survey.attested ??= where;
  // A later unit of the write that was torn. A write never spans two segments, but may be the first of its own.
  else if (sequence > look.expected && (look.first || durableSequence === look.expected - 1)) return;
  else survey.contradiction ??= where;
}
