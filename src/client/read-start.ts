/** Where a read begins. */
import { LograftError } from '../rpc/error.ts';
import { Position } from '../rpc/generated/lograft/v1/Position.ts';
import type { ReadRequestInput } from '../rpc/generated/lograft/v1/ReadRequest.ts';

/**
 * The oldest record held; the next to come; an offset; or, by a Date or milliseconds since 1970 UTC, the first record whose timestamp is this time or later,
 * and where there is none the next to come.
 */
export type ReadStart = 'earliest' | 'latest' | number | { getTime(): number } | { readonly timeMs: number };

/** The same, checked, in one form. */
export type QueueStart = 'earliest' | 'latest' | number | { readonly timeMs: number };

/** `what`: the name of the option. Throws INVALID_REQUEST. */
export function toQueueStart(start: ReadStart, what: string): QueueStart {
  if (start === 'earliest' || start === 'latest') return start;
  if (typeof start === 'number') {
    if (isOffset(start)) return start;
  } else if (typeof start === 'object') {
    const timeMs = 'getTime' in start ? start.getTime() : start.timeMs;
    if (Number.isSafeInteger(timeMs)) return { timeMs };
  }
  throw new LograftError(
    'INVALID_REQUEST',
    `${what}: 'earliest', 'latest', an offset or a time in whole milliseconds, not ${String(start)}`,
  );
}

export function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function startOfRequest(start: QueueStart): Pick<ReadRequestInput, 'fromOffset' | 'fromPosition' | 'fromTimeMs'> {
  if (typeof start === 'number') return { fromOffset: start };
  if (typeof start === 'object') return { fromTimeMs: start.timeMs };
  return { fromPosition: start === 'latest' ? Position.LATEST : Position.EARLIEST };
}
