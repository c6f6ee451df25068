/** `lograft group`: who belongs to a group, and who leads it. */
import { Command } from 'commander';
import { withExamples } from '../flags.ts';
import { addMemberCommand, removeMemberCommand, replaceMemberCommand } from './member-commands.ts';
import { transferLeaderCommand } from './transfer-leader-command.ts';

export function groupCommand(): Command {
  const command = new Command('group')
    .description('change the members or the leader of a group, while it works')
    .addCommand(addMemberCommand())
    .addCommand(removeMemberCommand())
    .addCommand(replaceMemberCommand())
    .addCommand(transferLeaderCommand());
  return withExamples(command, ['lograft group add-member n4 --address 10.0.0.4:9001', 'lograft group transfer-leader --to n2']);
}
