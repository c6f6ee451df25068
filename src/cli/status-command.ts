/** `lograft status`: every group, its members and how far each is. */
import { Command } from 'commander';
import type { LograftClient } from '../client/index.ts';
import { type ClientFlags, withClientFlags, withExamples } from './flags.ts';
import { renderStatus } from './status-render.ts';
import { type ClusterStatus, toStatusView } from './status-view.ts';
import { coloursFor, isTerminal } from './terminal.ts';
import { timeoutOf, withClient } from './with-client.ts';

interface StatusFlags extends ClientFlags {
  readonly json?: boolean;
}

export function statusCommand(): Command {
  const command = new Command('status')
    .description('show every group: leader, members, how far each is')
    .option('--json', 'as one line of JSON')
    .action(status);
  return withExamples(withClientFlags(command, 'how long to wait for answers'), [
    'lograft status',
    "lograft status --json | jq -r '.groups[].leader'",
  ]);
}

async function status(flags: StatusFlags): Promise<void> {
  const view = toStatusView(
    await withClient(flags, (client, route) => (route.groups.length === 0 ? { nodes: [], route } : askCluster(client, flags))),
  );
  if (flags.json) process.stdout.write(`${JSON.stringify(view)}\n`);
  else process.stdout.write(renderStatus(view, { colours: coloursFor(process.stdout), framed: isTerminal(process.stdout) }));
}

/** What the routers say, and each node of itself. */
export async function askCluster(client: LograftClient, flags: ClientFlags): Promise<ClusterStatus> {
  const { nodes } = await client.admin.status(timeoutOf(flags));
  return { nodes, route: await client.route(timeoutOf(flags)) };
}
