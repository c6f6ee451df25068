import type { LogPosition } from './types.ts';

/** Whether a log that ends at `one` is less up to date than one that ends at `other`: the last term decides first (paper 5.4.1). */
export function isBehind(one: LogPosition, other: LogPosition): boolean {
  return one.term !== other.term ? one.term < other.term : one.index < other.index;
}
