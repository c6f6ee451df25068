/** `lograft offsets`: how far consumer groups have come, and setting them elsewhere. */
import { Command, Option } from 'commander';
import type { GroupOffset, ReadStart } from '../client/index.ts';
import { type ClientFlags, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { parseReadStart, READ_START_HELP } from './read-start.ts';
import { renderTable } from './table.ts';
import { isTerminal } from './terminal.ts';
import { timeoutOf, withClient } from './with-client.ts';

interface ShowFlags extends ClientFlags {
  readonly json?: boolean;
}

interface ResetFlags extends ShowFlags {
  readonly to: ReadStart;
  readonly queue?: number;
}

const WAIT = 'how long to wait for an answer';

export function offsetsCommand(): Command {
  const offsets = new Command('offsets').description('how far consumer groups have read');
  for (const command of [showCommand(), resetCommand()]) offsets.addCommand(command);
  return withExamples(offsets, ['lograft offsets show billing', 'lograft offsets reset billing orders --to earliest']);
}

function showCommand(): Command {
  const command = new Command('show')
    .description('show what a consumer group has committed, and what is left to read')
    .argument('<group>')
    .option('--json', 'as one line of JSON')
    .action(show);
  return withExamples(withClientFlags(command, WAIT), ['lograft offsets show billing', 'lograft offsets show billing --json']);
}

async function show(group: string, flags: ShowFlags): Promise<void> {
  const offsets = await withClient(flags, (client) => client.admin.groupOffsets(group, timeoutOf(flags)));
  if (offsets.length === 0 && !flags.json) print(`consumer group ${group} has committed nothing`);
  else printOffsets(offsets, flags);
}

function resetCommand(): Command {
  const to = new Option('--to <start>', READ_START_HELP).argParser((text) => parseReadStart(text)).makeOptionMandatory();
  const command = new Command('reset')
    .description('set where a consumer group goes on, forward or back; its readers should not run meanwhile')
    .argument('<group>')
    .argument('<topic>')
    .addOption(to)
    .option('-q, --queue <number>', 'this queue only (default: all)', wholeBetween(0, 1_023))
    .option('--json', 'as one line of JSON')
    .action(reset);
  return withExamples(withClientFlags(command, WAIT), [
    'lograft offsets reset billing orders --to 2026-11-24T10:00:00Z',
    'lograft offsets reset billing orders --queue 0 --to 1000',
  ]);
}

async function reset(group: string, topic: string, flags: ResetFlags): Promise<void> {
  const { to, queue } = flags;
  const options = { to, ...(queue === undefined ? {} : { queue }), ...timeoutOf(flags) };
  printOffsets(await withClient(flags, (client) => client.admin.resetOffsets(group, topic, options)), flags);
}

function printOffsets(offsets: readonly GroupOffset[], { json }: ShowFlags): void {
  if (json) return print(JSON.stringify(offsets));
  const rows = offsets.map(({ topic, queue, offset, nextOffset, lag }) => [topic, ...[queue, offset, nextOffset, lag].map(cell)]);
  print(renderTable(['TOPIC', 'QUEUE', 'COMMITTED', 'NEXT OFFSET', 'LAG'], rows, { framed: isTerminal(process.stdout) }));
}

/** A dash where nothing is committed. */
function cell(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
