/** The only place that knows how many voters are enough (two places that know are how bug B14 of other engines happened). */
import { assert } from '../base/assert.ts';

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

/** True when the election can still be, or is already, won: those who granted and those yet to answer make a quorum. */
export function canReachQuorum(voters: number, granted: number, unanswered: number): boolean {
  assert(granted >= 0 && unanswered >= 0 && granted + unanswered <= voters, 'more answers than voters');
  return granted + unanswered >= quorumSize(voters);
}
