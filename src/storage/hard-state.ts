import type { HardState } from '../raft/types.ts';

/** Of two that were durable, the one that promises more: the higher term; within a term a vote beats none. */
export function newerHardState(one: HardState, other: HardState): HardState {
  if (one.term !== other.term) return one.term > other.term ? one : other;
  return one.vote === undefined ? other : one;
}
