/**
 * What comes next on the way to the members that were asked for. A plan looks at the group as it is and never at how it came to be so: that is why
 * a command that was interrupted, or that another leader took over from, goes on by being run again.
 */
import type { MemberChange } from '../../client/admin.ts';
import type { ErrorReason } from '../../rpc/error.ts';
import { type GroupState, memberOf, votersOf } from './state.ts';

export type Step =
  | {
      readonly type: 'change';
      readonly change: MemberChange;
      /** For a person: "n4 becomes a learner". */
      readonly what: string;
      readonly warning?: string;
      /** What comes instead when the leader refuses this for that reason. */
      readonly ifRefused?: { readonly reason: ErrorReason; readonly step: Step };
    }
  | { readonly type: 'catchUp'; readonly node: string }
  /** Passes by itself. */
  | { readonly type: 'wait'; readonly why: string }
  /** If it lasts, a person must do something about it. */
  | { readonly type: 'blocked'; readonly why: string }
  | { readonly type: 'done' };

export interface Plan {
  /** `accepted`: changes that the group has taken from this command. Throws a CliError for what can never be. */
  next(state: GroupState, accepted: readonly MemberChange[]): Step;
  /** The node that this is about. */
  readonly subject: string;
  /** The command line that goes on where this one ends. */
  resume(): string;
}

export const SETTLING: Step = { type: 'wait', why: 'a change of members is being committed' };

/** Asks to meet the node even if it is a learner already: it may have another disk or address than it had. */
export function introduced(accepted: readonly MemberChange[], node: string): boolean {
  return accepted.some(({ addLearners }) => addLearners?.some((learner) => learner.node === node));
}

/** A learner's way to its vote, with those that leave in the same step. The group must be settled. */
export function towardsVote(
  state: GroupState,
  accepted: readonly MemberChange[],
  learner: { readonly node: string; readonly address: string },
  replaced: readonly string[] = [],
): Step {
  const { node } = learner;
  const getting = gettingLog(state, accepted, learner);
  if (getting !== undefined) return getting;
  const leaving = replaced.filter((old) => memberOf(state, old) !== undefined);
  const what = leaving.length === 0 ? `${node} gets its vote` : `${node} gets its vote and ${leaving.join(', ')} leaves`;
  const voters = [...votersOf(state).filter((voter) => !leaving.includes(voter)), node];
  return keepingMajority(state, voters, { type: 'change', change: { promote: [node], remove: leaving }, what });
}

/** Until a learner has the whole log; undefined when it has. */
export function gettingLog(
  state: GroupState,
  accepted: readonly MemberChange[],
  learner: { readonly node: string; readonly address: string },
): Step | undefined {
  const { node } = learner;
  if (memberOf(state, node) === undefined || !introduced(accepted, node))
    return { type: 'change', change: { addLearners: [learner] }, what: `${node} becomes a learner` };
  return memberOf(state, node)?.caughtUp ? undefined : { type: 'catchUp', node };
}

/** A change after which too few voters would be there to commit anything is not begun: not even it could be committed. */
export function keepingMajority(state: GroupState, voters: readonly string[], step: Step): Step {
  const silent = voters.filter((node) => memberOf(state, node)?.reachable !== true);
  const needed = Math.floor(voters.length / 2) + 1;
  if (voters.length - silent.length >= needed) return step;
  const there = voters.length - silent.length;
  const why = `of the voters that there would be (${voters.join(', ')}) ${there} can be reached and ${needed} are needed: start ${silent.join(', ')}`;
  return { type: 'blocked', why };
}

/** How many voters may fail while writes go on. */
export function failuresTolerated(voters: number): number {
  return Math.max(0, Math.floor((voters - 1) / 2));
}
