import type { Clock } from './clock.ts';

/** Resolves `ms` from now or later, by this clock. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
