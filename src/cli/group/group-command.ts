/** `lograft group`: who belongs to a group, and who leads it. */
import { Command } from 'commander';
import { withExamples } from '../flags.ts';
import { addMemberCommand } from './add-member.ts';
import { removeMemberCommand } from './remove-member.ts';
import { replaceMemberCommand } from './replace-member.ts';
import { transferLeaderCommand } from './transfer-leader.ts';

export function groupCommand(): Command {
  const group = new Command('group').description("change a group's members, hand its leadership over");
  group.addCommand(addMemberCommand()).addCommand(removeMemberCommand());
  group.addCommand(replaceMemberCommand()).addCommand(transferLeaderCommand());
  return withExamples(group, [
    'lograft group add-member n4 --address 10.0.0.4:9090',
    'lograft group remove-member n3',
    'lograft group replace-member n3',
    'lograft group transfer-leader --to n2',
  ]);
}
