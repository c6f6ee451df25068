/** `lograft group remove-member`: a node leaves its group. */
import { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { withExamples } from '../flags.ts';
import { changeGroup } from './change.ts';
import { commandLine, type GroupFlags, withGroupFlags } from './flags.ts';
import { failuresTolerated, keepingMajority, type Plan, SETTLING, type Step } from './plan.ts';
import { memberOf, votersOf } from './state.ts';

export function removeMemberCommand(): Command {
  const command = new Command('remove-member')
    .description('remove a voter or a learner from a group; a leader hands over first')
    .argument('<node>')
    .action((node: string, flags: GroupFlags) => changeGroup(flags, removePlan(node, flags)));
  return withExamples(withGroupFlags(command, 'how long to wait until it has left'), ['lograft group remove-member n3']);
}

export function removePlan(node: string, flags: GroupFlags): Plan {
  return {
    subject: node,
    resume: () => commandLine(['remove-member', node], flags),
    next: (state) => {
      if (!state.settled) return SETTLING;
      const member = memberOf(state, node);
      if (member === undefined) return { type: 'done' };
      const step: Step = { type: 'change', change: { remove: [node] }, what: `${node} leaves` };
      if (!member.voter) return step;
      const rest = votersOf(state).filter((voter) => voter !== node);
      if (rest.length === 0) {
        const advice = 'Add another member first; to be rid of the whole group, stop its brokers';
        throw new CliError(`${node} is the last voter of ${state.group}. Nothing was changed. ${advice}`);
      }
      if (failuresTolerated(rest.length) > 0) return keepingMajority(state, rest, step);
      const warning = `${rest.join(', ')} alone: when ${rest.length === 1 ? 'it' : 'one of them'} fails, nothing can be written`;
      return keepingMajority(state, rest, { ...step, warning });
    },
  };
}
