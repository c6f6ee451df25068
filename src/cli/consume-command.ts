/** `lograft consume`: record values to stdout, each followed by a newline, and nothing else. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { LograftClient } from '../client/index.ts';
import { CliError } from './cli-error.ts';
import { type ClientFlags, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { LineWriter } from './line-writer.ts';
import { StallWatch } from './stall-watch.ts';
import { timeoutOf, withClient } from './with-client.ts';

const INTERRUPTED = 130;

type From = 'earliest' | 'latest' | number;

interface ConsumeFlags extends ClientFlags {
  readonly queue?: number;
  readonly from: From;
  readonly untilEnd?: boolean;
  readonly follow?: boolean;
}

export function consumeCommand(): Command {
  const command = new Command('consume')
    .description('write record values to stdout, each followed by a newline')
    .argument('<topic>')
    .option('-q, --queue <number>', 'read this queue (default: all, mixed; order is kept within each)', wholeBetween(0, 1_023))
    .addOption(new Option('--from <start>', 'earliest, latest, or an offset').default('earliest').argParser(parseFrom))
    .addOption(new Option('--until-end', 'end at what was committed when it began (the default)').conflicts('follow'))
    .option('--follow', 'go on as records are committed, until interrupted')
    .action(consume);
  return withExamples(withClientFlags(command, 'how long nothing may come before the end'), [
    'lograft consume orders > orders.txt',
    'lograft consume orders --queue 0 --from 1000',
    'lograft consume orders --from latest --follow',
  ]);
}

export function parseFrom(text: string): From {
  if (text === 'earliest' || text === 'latest') return text;
  const offset = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(offset)) return offset;
  throw new InvalidArgumentError('It must be earliest, latest or an offset.');
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
  const reader = client.reader({
    topic,
    from: flags.from,
    ...(flags.queue === undefined ? {} : { queue: flags.queue }),
    ...(follow ? { follow } : { untilEnd: true }),
    signal: stall === undefined ? interrupt.signal : AbortSignal.any([interrupt.signal, stall.signal]),
  });
  let records = 0;
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
    if (stall?.signal.aborted) throw new CliError(stalled(topic, records, flags.timeout), { cause: error });
    // Ctrl-C is how a reader that follows ends.
    if (!interrupt.signal.aborted) throw error;
    if (!follow) process.exitCode = INTERRUPTED;
  } finally {
    stall?.end();
    await writer.end();
  }
}

function stalled(topic: string, records: number, seconds: number): string {
  return `${topic}: nothing came for ${seconds} s; ${records} records were written. Is there a leader? See: lograft status`;
}
