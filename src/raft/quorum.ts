/** The only place that knows how many voters are enough (two places that know are how bug B14 of other engines happened). */
import { assert } from '../base/assert.ts';
import type { Configuration } from './configuration.ts';
import type { NodeId } from './types.ts';

/** How many of `voters` make a quorum: any two quorums share a voter, which is what all of Raft's safety rests on (paper 5.2). */
export function quorumSize(voters: number): number {
  assert(Number.isSafeInteger(voters) && voters >= 1, `not a number of voters: ${voters}`);
  return Math.floor(voters / 2) + 1;
}

/** The largest value that a quorum has reached, given one value for every voter (paper 5.3: "replicated on a majority"). */
export function quorumValue<Value extends number>(values: readonly Value[]): Value {
  const quorum = quorumSize(values.length);
  const descending = [...values].sort((left, right) => right - left);
  const result = descending[quorum - 1];
  assert(result !== undefined, 'a quorum is never larger than the group');
  return result;
}

/** The largest value that a quorum of each set of voters has reached (thesis 4.3: joint consensus needs separate majorities). */
export function configurationValue<Value extends number>(
  { voters, outgoing }: Configuration,
  reachedBy: (voter: NodeId) => Value,
): Value {
  const incoming = quorumValue(voters.map(reachedBy));
  if (outgoing.length === 0) return incoming;
  const leaving = quorumValue(outgoing.map(reachedBy));
  return Math.min(leaving, incoming) as Value;
}

/** Whether those of whom `counts` is true make a quorum of each set of voters. Nobody makes one of a group that is not known. */
export function isQuorum({ voters, outgoing }: Configuration, counts: (voter: NodeId) => boolean): boolean {
  if (voters.length === 0) return false;
  const enough = (set: readonly NodeId[]): boolean => set.filter(counts).length >= quorumSize(set.length);
  return enough(voters) && (outgoing.length === 0 || enough(outgoing));
}
