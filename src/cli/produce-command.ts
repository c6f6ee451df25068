/** `lograft produce`: each line of a file or of stdin becomes one record. */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Command } from 'commander';
import type { LograftClient } from '../client/index.ts';
import { CliError, describeFailure } from './cli-error.ts';
import type { Deliveries } from './deliveries.ts';
import { type ClientFlags, shortText, wholeBetween, withClientFlags, withExamples } from './flags.ts';
import { type ProduceProgress, showProgress } from './produce-progress.ts';
import { describeFailedProduce, type ProduceSummary, summaryLine } from './produce-summary.ts';
import { type SendResult, sendLines } from './send-lines.ts';
import { withClient } from './with-client.ts';

interface ProduceFlags extends ClientFlags {
  readonly file?: string;
  readonly keyField?: number;
  readonly queue?: number;
  readonly producerName?: string;
  readonly json?: boolean;
}

interface Input {
  readonly stream: Readable;
  /** Bytes, when known before the end. */
  readonly size: number | undefined;
}

const INTERRUPTED = 130;

export function produceCommand(): Command {
  const command = new Command('produce')
    .description('send each line of a file or of stdin as one record, as bytes, without its newline')
    .argument('<topic>')
    .option('-f, --file <file>', 'read this instead of stdin')
    .option('-k, --key-field <number>', 'the tab separated field that is the key, from 1', wholeBetween(1, 1_000))
    .option('-q, --queue <number>', 'send everything to this queue (default: by key, else spread)', wholeBetween(0, 1_023))
    .option('--producer-name <name>', 'take over from whoever sends under this name: it can store nothing more', shortText(127))
    .option('--json', 'print the summary as one line of JSON on stdout')
    .action(produce);
  return withExamples(withClientFlags(command, 'how long a record may wait for its acknowledgement'), [
    'seq 1 100000 | lograft produce orders',
    'lograft produce orders --file orders.tsv --key-field 1',
  ]);
}

async function produce(topic: string, flags: ProduceFlags): Promise<void> {
  const input = await openInput(flags.file);
  await withClient(flags, (client) => produceFrom(input, client, topic, flags));
}

async function produceFrom(input: Input, client: LograftClient, topic: string, flags: ProduceFlags): Promise<void> {
  const { timeout, producerName: name } = flags;
  const producer = client.producer({ deliveryTimeoutMs: timeout * 1_000, ...(name === undefined ? {} : { name }) });
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const startedAt = performance.now();
  const progress: ProduceProgress = { bytesRead: 0, size: input.size };
  const hideProgress = showProgress(progress, () => producer.stats);
  const onChunk = (bytes: number): void => {
    progress.bytesRead += bytes;
  };
  const target = { topic, keyField: flags.keyField, queue: flags.queue };
  let result: SendResult;
  try {
    result = await sendLines(input.stream, producer, target, { signal: interrupt.signal, onChunk });
  } finally {
    hideProgress();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  report(summarise(result.deliveries, producer.stats, seconds), flags.json === true);
  await producer.close().catch(() => {});
  failUnlessComplete(result, interrupt.signal.aborted);
}

function failUnlessComplete({ deliveries, stopped }: SendResult, interrupted: boolean): void {
  if (deliveries.failure !== undefined) throw new CliError(describeFailedProduce(deliveries), { cause: deliveries.failure });
  const acknowledged = `Acknowledged before that: ${deliveries.acknowledged} lines, all that were sent`;
  if (stopped !== undefined)
    throw new CliError(`reading stopped: ${describeFailure(stopped)}. ${acknowledged}`, { cause: stopped });
  if (interrupted) {
    throw new CliError(`interrupted: ${deliveries.acknowledged} lines were acknowledged, no other was sent`, {
      exitCode: INTERRUPTED,
    });
  }
}

async function openInput(file: string | undefined): Promise<Input> {
  if (file === undefined) return { stream: process.stdin, size: undefined };
  try {
    const handle = await open(file);
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new Error('it is a directory');
    const stream = handle.createReadStream({ highWaterMark: 1024 * 1024 });
    return { stream, size: stat.isFile() ? stat.size : undefined };
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${describeFailure(error)}. Nothing was sent`, { cause: error });
  }
}

function summarise(
  deliveries: Deliveries,
  stats: { acknowledgedBytes: number; retries: number; reconnects: number },
  seconds: number,
): ProduceSummary {
  return {
    records: deliveries.acknowledged,
    sent: deliveries.sent,
    bytes: stats.acknowledgedBytes,
    seconds: Number(seconds.toFixed(3)),
    recordsPerSecond: Math.round(deliveries.acknowledged / seconds),
    megabytesPerSecond: Number((stats.acknowledgedBytes / 1e6 / seconds).toFixed(2)),
    retries: stats.retries,
    reconnects: stats.reconnects,
    ...(deliveries.firstFailedLine === undefined ? {} : { unknownFromLine: deliveries.firstFailedLine }),
  };
}

/** stdout is for the JSON alone: a person reads stderr. */
function report(summary: ProduceSummary, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else if (summary.unknownFromLine === undefined) process.stderr.write(`${summaryLine(summary)}\n`);
}
