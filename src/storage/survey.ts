import { isZero } from './bytes.ts';
import type { SegmentFile } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentReader } from './segment-reader.ts';
import { decodeUnitHeader, UNIT_ALIGNMENT_BYTES, UNIT_HEADER_BYTES, type UnitHeader } from './unit-format.ts';

const BLOCK_BYTES = 64 * 1024;

/** What lies behind the place where replaying stopped. */
export interface Survey {
  newerFormat: number | undefined;
  /** A whole unit that says that the expected one was durable: where it is. */
  attested: string | undefined;
  /** A whole unit that no writer puts there: which and where. */
  contradiction: string | undefined;
  /** Ranges that hold bytes other than zero. */
  readonly dirty: { readonly segment: SegmentFile; readonly position: number; readonly bytes: number }[];
}

/** Looks at everything from `position` in the first of the segments, up to the end of the last. */
export async function surveyBehind(
  segments: readonly SegmentFile[],
  position: number,
  expected: number,
  seed: number,
): Promise<Survey> {
  const survey: Survey = { newerFormat: undefined, attested: undefined, contradiction: undefined, dirty: [] };
  for (const [at, segment] of segments.entries()) {
    const reader = new SegmentReader(segment.file, segment.segmentBytes);
    let from = at === 0 ? position : SEGMENT_HEADER_BYTES;
    while (from < segment.segmentBytes) {
      const window = await reader.window(from);
      if (window.length === 0) break;
      surveyWindow(survey, { segment, first: at === 0, window, position: from, expected, seed });
      // Windows overlap by one header, so that one that lies across two of them is seen.
      from += from + window.length >= segment.segmentBytes ? window.length : window.length - UNIT_HEADER_BYTES;
    }
  }
  return survey;
}

interface Window {
  readonly segment: SegmentFile;
  /** In the segment where replaying stopped. */
  readonly first: boolean;
  readonly window: Buffer;
  readonly position: number;
  readonly expected: number;
  readonly seed: number;
}

function surveyWindow(survey: Survey, look: Window): void {
  const { segment, window, position, seed } = look;
  for (let block = 0; block < window.length; block += BLOCK_BYTES) {
    const bytes = window.subarray(block, block + BLOCK_BYTES);
    if (isZero(bytes)) continue;
    survey.dirty.push({ segment, position: position + block, bytes: bytes.length });
    for (let at = block; at < block + bytes.length; at += UNIT_ALIGNMENT_BYTES) {
      const verdict = decodeUnitHeader(window, at, { segment: segment.number, position: position + at }, seed);
      if (verdict.type === 'newerFormat') survey.newerFormat ??= verdict.format;
      if (verdict.type === 'valid') judge(survey, verdict.header, look, position + at);
    }
  }
}

function judge(survey: Survey, header: UnitHeader, look: Window, position: number): void {
  const { sequence, durableSequence } = header;
  const where = `unit ${sequence} in ${look.segment.path} at byte ${position}`;
  if (durableSequence >= look.expected) survey.attested ??= where;
  // A later unit of the write that was torn. A write never spans two segments, but may be the first of its own.
  else if (sequence > look.expected && (look.first || durableSequence === look.expected - 1)) return;
  else survey.contradiction ??= where;
}
