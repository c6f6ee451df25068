/** Where reading begins, as it is typed: a name, an offset, a time, or how long ago. */
import { InvalidArgumentError } from 'commander';
import type { ReadStart } from '../client/index.ts';

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const AGO = /^(\d{1,9})([smhd])$/;
/** With its zone: a time without one means another moment on another machine. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

export const READ_START_HELP = 'earliest, latest, an offset, a time (2026-11-24T10:00:00Z) or how long ago (30s, 15m, 2h, 7d)';

export function parseReadStart(text: string, nowMs = Date.now()): ReadStart {
  if (text === 'earliest' || text === 'latest') return text;
  const offset = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(offset)) return offset;
  const timeMs = timeOf(text, nowMs);
  if (Number.isSafeInteger(timeMs)) return { timeMs };
  throw new InvalidArgumentError(`It must be ${READ_START_HELP}.`);
}

function timeOf(text: string, nowMs: number): number {
  const [, count, unit] = AGO.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return nowMs - Number(count) * (UNITS_MS[unit] as number);
  return TIME.test(text) ? Date.parse(text) : Number.NaN;
}
