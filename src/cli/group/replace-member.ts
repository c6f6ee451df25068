/** `lograft group replace-member`: another node takes a voter's place, or the same node on a new disk. */
import { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { address, withExamples } from '../flags.ts';
import { changeGroup } from './change.ts';
import { commandLine, type GroupFlags, withCatchUpFlags } from './flags.ts';
import { introduced, keepingMajority, type Plan, SETTLING, type Step, towardsVote } from './plan.ts';
import { type GroupState, memberOf, votersOf } from './state.ts';

interface ReplaceFlags extends GroupFlags {
  readonly with?: string;
  readonly address?: string;
}

export function replaceMemberCommand(): Command {
  const command = new Command('replace-member')
    .description('give the place of a voter to another node, or to itself on a new disk')
    .argument('<node>', 'who leaves; without --with, who has come back with a wiped disk')
    .option('--with <node>', 'who comes instead')
    .option('-a, --address <host:port>', 'where the others reach who comes (default without --with: where it was)', address)
    .action((node: string, flags: ReplaceFlags) => changeGroup(flags, replacePlan(node, flags)));
  return withExamples(withCatchUpFlags(command), [
    'lograft group replace-member n3 --with n4 --address 10.0.0.4:9090',
    'lograft group replace-member n3     # n3 runs again, on an empty disk',
  ]);
}

export function replacePlan(old: string, flags: ReplaceFlags): Plan {
  if (flags.with === undefined) return wipedPlan(old, flags);
  if (flags.with === old) throw new CliError(`${old} cannot replace itself by name. If its disk was wiped, leave --with out`);
  if (flags.address === undefined) throw new CliError(`where is ${flags.with}? Say it with --address host:port`);
  return otherNodePlan(old, { node: flags.with, address: flags.address }, flags);
}

function otherNodePlan(old: string, coming: { readonly node: string; readonly address: string }, flags: GroupFlags): Plan {
  return {
    subject: coming.node,
    resume: () => commandLine(['replace-member', old, '--with', coming.node, '--address', coming.address], flags),
    next: (state, accepted) => {
      if (!state.settled) return SETTLING;
      const leaving = memberOf(state, old);
      const member = memberOf(state, coming.node);
      if (member?.voter) {
        if (leaving === undefined) return { type: 'done' };
        const advice = `To have ${old} leave all the same: lograft group remove-member ${old}`;
        throw new CliError(`${coming.node} votes already, beside ${old}: it cannot take its place. Nothing was changed. ${advice}`);
      }
      if (leaving === undefined && member === undefined) {
        const members = state.members.map(({ node }) => node).join(', ');
        throw new CliError(
          `${old} is no member of ${state.group} (there are: ${members}). Nothing was changed. See: lograft status`,
        );
      }
      if (leaving?.voter === false) {
        const advice = `Add ${coming.node} with add-member --learner, then remove ${old} with remove-member`;
        throw new CliError(`${old} is a learner: it has no vote to hand on. Nothing was changed. ${advice}`);
      }
      return towardsVote(state, accepted, coming, [old]);
    },
  };
}

/** It votes with a disk that is gone: it has to leave, for it has forgotten what it promised, and comes back as anybody new. */
function wipedPlan(node: string, flags: ReplaceFlags): Plan {
  let where = flags.address;
  return {
    subject: node,
    // Once it has left, the group no longer knows its address.
    resume: () => commandLine(['replace-member', node, ...(where === undefined ? [] : ['--address', where])], flags),
    next: (state, accepted) => {
      const member = memberOf(state, node);
      where ??= member?.address;
      if (!state.settled) return SETTLING;
      if (where === undefined) {
        const advice = `If it was removed while it was being replaced, say where it is: --address host:port`;
        throw new CliError(`${node} is no member of ${state.group}. Nothing was changed. ${advice}`);
      }
      const learner = { node, address: where };
      if (!member?.voter) return towardsVote(state, accepted, learner);
      return introduced(accepted, node) ? { type: 'done' } : leaveIfWiped(state, learner);
    },
  };
}

/**
 * A voter that still has its disk is not to lose its vote, not even when somebody runs the command once too often. The leader knows: to add who votes
 * already changes nothing, unless it has another disk.
 */
function leaveIfWiped(state: GroupState, learner: { readonly node: string; readonly address: string }): Step {
  const { node } = learner;
  const rest = votersOf(state).filter((voter) => voter !== node);
  const leave: Step = { type: 'change', change: { remove: [node] }, what: `${node} leaves, to come back with its new disk` };
  const change = { addLearners: [learner] };
  const what = `the leader looks at which disk ${node} has`;
  // Any other refusal (nobody answers there, or somebody else) is no reason to take a vote away.
  return { type: 'change', change, what, ifRefused: { reason: 'OTHER_DISK', step: keepingMajority(state, rest, leave) } };
}
