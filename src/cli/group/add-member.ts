/** `lograft group add-member`: a node gets the log, and then a vote. */
import { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { address, withExamples } from '../flags.ts';
import { changeGroup } from './change.ts';
import { commandLine, type GroupFlags, withCatchUpFlags } from './flags.ts';
import { gettingLog, type Plan, SETTLING, towardsVote } from './plan.ts';
import { memberOf } from './state.ts';

interface AddFlags extends GroupFlags {
  readonly address: string;
  readonly learner?: boolean;
}

export function addMemberCommand(): Command {
  const command = new Command('add-member')
    .description('add a running node to a group: it gets the log first, then a vote')
    .argument('<node>', "the new member's nodeId")
    .requiredOption('-a, --address <host:port>', 'where the others reach it', address)
    .option('--learner', 'it gets the log and no vote')
    .action((node: string, flags: AddFlags) => changeGroup(flags, addPlan(node, flags)));
  return withExamples(withCatchUpFlags(command), [
    'lograft group add-member n4 --address 10.0.0.4:9090',
    'lograft group add-member n4 --address 10.0.0.4:9090 --learner',
  ]);
}

export function addPlan(node: string, flags: AddFlags): Plan {
  const learner = { node, address: flags.address };
  const extra = flags.learner ? ['--learner'] : [];
  return {
    subject: node,
    resume: () => commandLine(['add-member', node, '--address', flags.address, ...extra], flags),
    next: (state, accepted) => {
      if (!state.settled) return SETTLING;
      const member = memberOf(state, node);
      if (member?.voter && flags.learner) {
        const advice = 'A voter must leave first (lograft group remove-member) and can then come back as a learner';
        throw new CliError(`${node} votes in ${state.group} already. Nothing was changed. ${advice}`);
      }
      if (member?.voter && member.address === flags.address) return { type: 'done' };
      if (member?.voter) return { type: 'change', change: { addLearners: [learner] }, what: `${node} moves to ${flags.address}` };
      if (flags.learner) return gettingLog(state, accepted, learner) ?? { type: 'done' };
      return towardsVote(state, accepted, learner);
    },
  };
}
