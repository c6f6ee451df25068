/** What every configuration key says of itself: the text in an error message and in docs/configuration.md is the same one. */
import { z } from 'zod';

export interface SettingFacts {
  readonly meaning: string;
  /** Completes "must be ...". */
  readonly allowed: string;
  /** What to do when it is missing, where that is not just to write it down. */
  readonly whenMissing?: string;
  readonly unit?: string;
  /** How the default is told when it is not a plain value. */
  readonly defaultText?: string;
}

/** Facts of settings; zod carries them with the schema. */
export const settingFacts = z.registry<SettingFacts>();

const ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;

/** "host:port". `lowestPort` 0 lets the system choose. */
export function address(lowestPort: 0 | 1, facts: Omit<SettingFacts, 'allowed'>) {
  const allowed = `host:port, port ${lowestPort} to 65535`;
  return z
    .string()
    .refine((text) => isAddress(text, lowestPort))
    .register(settingFacts, { ...facts, allowed });
}

export function isAddress(text: string, lowestPort: 0 | 1): boolean {
  const port = Number(ADDRESS.exec(text)?.[2] ?? -1);
  return port >= lowestPort && port <= 65_535;
}

/** 1 to 63 characters of `[A-Za-z0-9._-]`. */
export function name(facts: Omit<SettingFacts, 'allowed'>) {
  const allowed = 'text of 1 to 63 characters of A-Z a-z 0-9 . _ -';
  return z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/)
    .register(settingFacts, { ...facts, allowed });
}

export interface WholeNumberRange {
  readonly minimum: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
}

export function wholeNumber(range: WholeNumberRange, facts: Omit<SettingFacts, 'allowed'>) {
  const { minimum, maximum = Number.MAX_SAFE_INTEGER, multipleOf = 1 } = range;
  return z
    .int()
    .min(minimum)
    .max(maximum)
    .multipleOf(multipleOf)
    .register(settingFacts, { ...facts, allowed: rangeInWords(range) });
}

export function rangeInWords({ minimum, maximum, multipleOf = 1 }: WholeNumberRange): string {
  const kind = multipleOf === 1 ? 'a whole number' : `a multiple of ${multipleOf}`;
  return maximum === undefined ? `${kind}, at least ${group(minimum)}` : `${kind}, ${group(minimum)} to ${group(maximum)}`;
}

/** 33554432 as "33 554 432". */
export function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}
