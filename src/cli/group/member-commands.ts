/** `lograft group add-member`, `remove-member`, `replace-member`. */
import { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { address, type ClientFlags, withClientFlags, withExamples } from '../flags.ts';
import type { GroupView } from '../status-view.ts';
import { withClient } from '../with-client.ts';
import { MemberSteps, memberOf } from './member-steps.ts';
import { showSteps } from './step-progress.ts';

interface GroupFlags extends ClientFlags {
  readonly group?: string;
}

/** Catching up with a long log takes its time. */
const TIMEOUT_SECONDS = 600;

export function addMemberCommand(): Command {
  const command = memberCommand('add-member', 'add a member: it learns the log, then gets a vote', '<node>')
    .requiredOption('--address <host:port>', 'where its peers and clients reach it', address)
    .option('--learner', 'give it no vote')
    .action((node: string, flags: GroupFlags & { address: string; learner?: boolean }) =>
      act(flags, async (steps, view) => {
        await addLearner(steps, view, node, flags.address);
        if (flags.learner) return `${node} is a learner of ${view.group}`;
        await steps.catchUp(view.group, node);
        await steps.change(view.group, { promote: [node] }, `${node} gets a vote`);
        return undefined;
      }),
    );
  return withExamples(command, ['lograft group add-member n4 --address 10.0.0.4:9001']);
}

export function removeMemberCommand(): Command {
  const command = memberCommand('remove-member', 'take a member out of the group', '<node>').action(
    (node: string, flags: GroupFlags) =>
      act(flags, async (steps, view) => {
        const member = memberOf(view, node);
        if (member === undefined)
          throw new CliError(`${node} is no member of ${view.group}: ${membersOf(view)}. Nothing was changed`);
        if (member.voter && votersOf(view).length === 1)
          throw new CliError(`${node} is the only voter of ${view.group}: without it the group is gone. Nothing was changed`);
        await steps.change(view.group, { remove: [node] }, `${node} leaves`);
        return undefined;
      }),
  );
  return withExamples(command, ['lograft group remove-member n3']);
}

export function replaceMemberCommand(): Command {
  const command = memberCommand(
    'replace-member',
    'put another node, or the same one with a new disk, in the place of a member',
    '<node>',
  )
    .option('--with <node>', 'the new member (default: the same node, on its new disk)')
    .option('--address <host:port>', "where the new member is reached (default: the old one's address)", address)
    .action((old: string, flags: GroupFlags & { with?: string; address?: string }) =>
      act(flags, async (steps, view) => {
        const next = flags.with ?? old;
        const at = flags.address ?? memberOf(view, old)?.address;
        if (at === undefined)
          throw new CliError(`${old} is no member of ${view.group} (any more): say where ${next} is with --address`);
        if (next !== old && flags.address === undefined) throw new CliError(`where is ${next}? Say it with --address`);
        // The same name with another disk is another member: the old one must leave before the new one can come.
        if (next === old && memberOf(view, old)?.voter) await steps.change(view.group, { remove: [old] }, `${old} leaves`);
        await addLearner(steps, view, next, at);
        await steps.catchUp(view.group, next);
        const remove = next === old ? [] : [old];
        await steps.change(view.group, { promote: [next], remove }, `${next} takes the place of ${old}`);
        return undefined;
      }),
    );
  return withExamples(command, [
    'lograft group replace-member n2 --with n4 --address 10.0.0.4:9001',
    'lograft group replace-member n2    # came back with a new disk',
  ]);
}

function memberCommand(name: string, description: string, argument: string): Command {
  const command = new Command(name)
    .description(description)
    .argument(argument, "the member's name")
    .option('-g, --group <name>', 'the group (default: the only one)');
  return withClientFlags(command, 'how long to wait for the change', TIMEOUT_SECONDS);
}

/** Ends with who votes now, unless there is something else to say. */
async function act(flags: GroupFlags, work: (steps: MemberSteps, view: GroupView) => Promise<string | undefined>): Promise<void> {
  const progress = showSteps();
  try {
    const [said, after] = await withClient(flags, async (client) => {
      const steps = new MemberSteps(client, flags, progress);
      const saying = await work(steps, await steps.view());
      return [saying, await steps.view()] as const;
    });
    progress.done();
    const voters = votersOf(after);
    process.stdout.write(`${said ?? `group ${after.group}`}: voters ${voters.join(', ')}\n`);
    if (voters.length % 2 === 0)
      process.stderr.write(`${voters.length} voters survive no more failures than ${voters.length - 1}\n`);
  } finally {
    progress.done();
  }
}

async function addLearner(steps: MemberSteps, view: GroupView, node: string, at: string): Promise<void> {
  await steps.change(view.group, { addLearners: [{ node, address: at }] }, `${node} becomes a learner`);
}

function votersOf(view: GroupView): string[] {
  return view.members.filter(({ voter, leaving }) => voter && !leaving).map(({ node }) => node);
}

function membersOf(view: GroupView): string {
  return `its members are ${view.members.map(({ node }) => node).join(', ')}`;
}
