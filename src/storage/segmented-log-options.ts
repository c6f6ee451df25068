import { randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/system-clock.ts';
import { MAX_SEGMENT_BYTES, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { UNIT_ALIGNMENT_BYTES, unitBytes } from './unit-format.ts';

export interface SegmentedLogOptions {
  /** Size of a segment file, a multiple of 64: 8 KiB to 4 GiB. Default 64 MiB. Holds for segments made from now on. */
  readonly segmentBytes?: number | undefined;
  /** Newest entries kept in memory, payload and 128 bytes each: 0 or more. Default 8 MiB: more costs more in garbage collection
   * than reading from the page cache does. What is not written yet comes on top. */
  readonly cacheBytes?: number | undefined;
  /** Segments made ahead of the current one: 1 to 16. Default 1. */
  readonly preallocatedSegments?: number | undefined;
  /** Largest payload of one entry, up to 1 GiB. Default 16 MiB. A larger one breaks an assertion: callers check before. */
  readonly maxEntryBytes?: number | undefined;
  /** All segment files together, preallocated ones included: at least one segment. Default: as much as the disk has. */
  readonly maxLogBytes?: number | undefined;
  /** Without a write for so long, the last one is sealed: from then on its rot is told from a torn tail. Default 1000. */
  readonly sealAfterMs?: number | undefined;
  /** What the scrubber reads, to find rot while other replicas still have what it took. 0: it does not run. Default 8 MiB. */
  readonly scrubBytesPerSecond?: number | undefined;
  /** From the start to its first pass. Default a minute. */
  readonly scrubFirstAfterMs?: number | undefined;
  /** Between two passes. Default a minute. */
  readonly scrubPauseMs?: number | undefined;
  /** For rests of the preallocation and the scrubber, and for sealing. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Chance, for the log's id. Default: the machine's. */
  readonly randomBytes?: ((length: number) => Buffer) | undefined;
}

export type CheckedOptions = { readonly [Name in keyof SegmentedLogOptions]-?: NonNullable<SegmentedLogOptions[Name]> };

const MIB = 1024 * 1024;
const MIN_SEGMENT_BYTES = 2 * SEGMENT_HEADER_BYTES;
const MAX_ENTRY_BYTES = 1024 * MIB;

export function checkOptions(options: SegmentedLogOptions): CheckedOptions {
  const segmentBytes = options.segmentBytes ?? 64 * MIB;
  const checked: CheckedOptions = {
    segmentBytes,
    cacheBytes: options.cacheBytes ?? 8 * MIB,
    preallocatedSegments: options.preallocatedSegments ?? 1,
    maxEntryBytes: options.maxEntryBytes ?? 16 * MIB,
    maxLogBytes: options.maxLogBytes ?? Number.MAX_SAFE_INTEGER,
    sealAfterMs: options.sealAfterMs ?? 1_000,
    scrubBytesPerSecond: options.scrubBytesPerSecond ?? 8 * MIB,
    scrubFirstAfterMs: options.scrubFirstAfterMs ?? 60_000,
    scrubPauseMs: options.scrubPauseMs ?? 60_000,
    clock: options.clock ?? systemClock,
    randomBytes: options.randomBytes ?? randomBytes,
  };
  within('segmentBytes', segmentBytes, MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
  assert(segmentBytes % UNIT_ALIGNMENT_BYTES === 0, `segmentBytes must be a multiple of ${UNIT_ALIGNMENT_BYTES}: ${segmentBytes}`);
  within('cacheBytes', checked.cacheBytes, 0, Number.MAX_SAFE_INTEGER);
  within('preallocatedSegments', checked.preallocatedSegments, 1, 16);
  within('maxEntryBytes', checked.maxEntryBytes, 1, MAX_ENTRY_BYTES);
  within('maxLogBytes', checked.maxLogBytes, segmentBytes, Number.MAX_SAFE_INTEGER);
  within('sealAfterMs', checked.sealAfterMs, 0, Number.MAX_SAFE_INTEGER);
  within('scrubBytesPerSecond', checked.scrubBytesPerSecond, 0, Number.MAX_SAFE_INTEGER);
  within('scrubFirstAfterMs', checked.scrubFirstAfterMs, 0, Number.MAX_SAFE_INTEGER);
  within('scrubPauseMs', checked.scrubPauseMs, 0, Number.MAX_SAFE_INTEGER);
  return checked;
}

/** Room that is left for elections when the disk is full: thousands of votes and opening entries. */
export function reserveBytes(segmentBytes: number): number {
  return Math.min(MIB, Math.floor(segmentBytes / 8));
}

/** Beyond the payload, what one more unit takes at most. */
export const UNIT_OVERHEAD_BYTES = unitBytes(1, 0) + UNIT_ALIGNMENT_BYTES;

function within(name: string, value: number, minimum: number, maximum: number): void {
  const whole = Number.isSafeInteger(value);
  assert(whole && value >= minimum && value <= maximum, `${name} must be a whole number from ${minimum} to ${maximum}: ${value}`);
}
