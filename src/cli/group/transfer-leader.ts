/** `lograft group transfer-leader`: hand a group's leadership to another member. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { LograftClient } from '../../client/index.ts';
import { CliError } from '../cli-error.ts';
import { withExamples } from '../flags.ts';
import { askCluster } from '../status-command.ts';
import { type GroupView, toStatusView } from '../status-view.ts';
import { timeoutOf, withClient } from '../with-client.ts';
import { chooseGroup } from './choice.ts';
import { type GroupFlags, withGroupFlags } from './flags.ts';

interface TransferFlags extends GroupFlags {
  readonly to?: string;
}

const POLL_MS = 50;

export function transferLeaderCommand(): Command {
  const command = new Command('transfer-leader')
    .description("hand a group's leadership to another member")
    .option('--to <node>', 'the next leader (default: the member that is most up to date)')
    .action(transfer);
  return withExamples(withGroupFlags(command, 'how long to wait for the new leader'), [
    'lograft group transfer-leader',
    'lograft group transfer-leader --to n2',
  ]);
}

async function transfer(flags: TransferFlags): Promise<void> {
  const { before, after } = await withClient(flags, (client) => handOver(client, flags));
  const same = before.leader === after.leader ? ' already' : '';
  process.stdout.write(
    `group ${after.group}: ${after.leader} leads${same}, term ${after.term} (before: ${before.leader || 'none'})\n`,
  );
}

async function handOver(client: LograftClient, flags: TransferFlags): Promise<{ before: GroupView; after: GroupView }> {
  const deadline = performance.now() + flags.timeout * 1_000;
  const before = chooseGroup(toStatusView(await askCluster(client, flags)).groups, flags.group);
  if (flags.to !== undefined && before.leader === flags.to) return { before, after: before };
  await client.admin.transferLeader(before.group, flags.to, timeoutOf(flags));
  while (performance.now() < deadline) {
    const after = toStatusView(await askCluster(client, flags)).groups.find(({ group }) => group === before.group);
    if (after !== undefined && after.leader !== '' && after.term > before.term) {
      if (flags.to === undefined || after.leader === flags.to) return { before, after };
      throw new CliError(`group ${before.group}: ${after.leader} leads now, in term ${after.term}, not ${flags.to}. Try again`);
    }
    await sleep(POLL_MS);
  }
  const late = `no new leader within ${flags.timeout} s: ${before.leader || 'the old one'} goes on`;
  throw new CliError(`group ${before.group}: ${late}. Is the next one up to date? See: lograft status`);
}
