/** `lograft consume`: record values to stdout, each followed by a newline, and nothing else. */
import { Command, Option } from 'commander';
import type { LograftClient, ReaderOptions, ReadStart } from '../client/index.ts';
import { CliError } from './cli-error.ts';
import { CommitRounds } from './commit-rounds.ts';
import { type ClientFlags, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { LineWriter } from './line-writer.ts';
import { parseReadStart, READ_START_HELP } from './read-start.ts';
import { StallWatch } from './stall-watch.ts';
import { timeoutOf, withClient } from './with-client.ts';

const INTERRUPTED = 130;

interface ConsumeFlags extends ClientFlags {
  readonly queue?: number;
  readonly from?: ReadStart;
  readonly group?: string;
  readonly untilEnd?: boolean;
  readonly follow?: boolean;
}

export function consumeCommand(): Command {
  const from = new Option('--from <start>', `${READ_START_HELP}; of a group, where it has committed nothing (default: earliest)`);
  const command = new Command('consume')
    .description('write record values to stdout, each followed by a newline')
    .argument('<topic>')
    .option('-q, --queue <number>', 'read this queue (default: all, mixed; order is kept within each)', wholeBetween(0, 1_023))
    .addOption(from.argParser((text) => parseReadStart(text)))
    .option('-g, --group <name>', 'go on where this consumer group ended, and commit how far it has come')
    .addOption(new Option('--until-end', 'end at what was committed when it began (the default)').conflicts('follow'))
    .option('--follow', 'go on as records are committed, until interrupted')
    .action(consume);
  return withExamples(withClientFlags(command, 'how long nothing may come before the end'), [
    'lograft consume orders > orders.txt',
    'lograft consume orders --queue 0 --from 1000',
    'lograft consume orders --from 2h --follow',
    'lograft consume orders --group billing --follow',
  ]);
}

async function consume(topic: string, flags: ConsumeFlags): Promise<void> {
  await withClient(flags, async (client) => {
    const { queues } = await client.admin.describeTopic(topic, timeoutOf(flags));
    if (typeof flags.from === 'number' && flags.queue === undefined && queues.length > 1) {
      throw new CliError(`an offset is one queue's own, and ${topic} has ${queues.length} queues: say which with --queue`);
    }
    await copyToStdout(client, topic, flags);
  });
}

async function copyToStdout(client: LograftClient, topic: string, flags: ConsumeFlags): Promise<void> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const writer = new LineWriter(process.stdout);
  const follow = flags.follow === true;
  const stall = follow ? undefined : new StallWatch(flags.timeout * 1_000);
  const commits = new CommitRounds(writer);
  const reader = client.reader({
    topic,
    ...startOf(flags),
    ...(flags.queue === undefined ? {} : { queue: flags.queue }),
    ...(follow ? { follow } : { untilEnd: true }),
    signal: AbortSignal.any([interrupt.signal, commits.failed, ...(stall === undefined ? [] : [stall.signal])]),
  });
  if (flags.group !== undefined) commits.start(reader);
  let records = 0;
  let failure: unknown;
  try {
    for await (const { value } of reader) {
      records += 1;
      stall?.progress();
      const full = writer.write(value);
      if (full === undefined) continue;
      // A slow reader of our output is no reason to give up.
      stall?.pause();
      await full;
      stall?.progress();
    }
  } catch (error) {
    failure = error;
  }
  stall?.end();
  await writer.written();
  const uncommitted = await commits.end();
  if (stall?.signal.aborted) throw new CliError(stalled(topic, records, flags.timeout), { cause: failure });
  if (failure !== undefined && !interrupt.signal.aborted) throw failure;
  if (uncommitted !== undefined) throw uncommitted;
  // Ctrl-C is how a reader that follows ends.
  if (failure !== undefined && !follow) process.exitCode = INTERRUPTED;
}

/** A group commits only what was written: so the reader itself commits nothing. */
function startOf({ group, from = 'earliest' }: ConsumeFlags): Pick<ReaderOptions, 'from' | 'orFrom' | 'group' | 'commitEveryMs'> {
  return group === undefined ? { from } : { group, from: 'committed', orFrom: from, commitEveryMs: 0 };
}

function stalled(topic: string, records: number, seconds: number): string {
  return `${topic}: nothing came for ${seconds} s; ${records} records were written. Is there a leader? See: lograft status`;
}
