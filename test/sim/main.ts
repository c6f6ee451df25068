/** `npm run sim`: one seed to read, or many to search. */
import { execFileSync, fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import logUpdate from 'log-update';
import { coloursFor, grouped, isTerminal } from '../../src/cli/terminal.ts';
import { simulate } from './simulation.ts';
import type { FailedSeed, FinishedSeed, WorkerMessage } from './swarm-worker.ts';

interface Flags {
  readonly seed?: number;
  readonly minutes?: number;
  readonly seeds?: number;
  readonly from?: number;
  readonly jobs: number;
  readonly quiet?: boolean;
}

const MAX_SEED = 2 ** 47;
const colours = coloursFor(process.stdout);

const program = new Command('sim')
  .description(
    'Runs whole Lograft clusters in simulated time, under every fault they promise to survive. One seed decides everything.',
  )
  .option('--seed <number>', 'replay this seed and print its trace', wholeNumber)
  .option('--quiet', 'with --seed: only the result, no trace')
  .option('--minutes <number>', 'search fresh seeds for so long', Number)
  .option('--seeds <number>', 'search so many seeds', wholeNumber)
  .option('--from <number>', 'first seed of the search (default: anywhere)', wholeNumber)
  .option('--jobs <number>', 'processes to search with', wholeNumber, availableParallelism());

program.parse();
const flags = program.opts<Flags>();
process.exitCode = flags.seed === undefined ? await search(flags) : await replay(flags.seed, flags.quiet === true);

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number from 0');
  return value;
}

async function replay(seed: number, quiet: boolean): Promise<number> {
  try {
    const result = await simulate({ seed, print: quiet ? undefined : (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`${colours.red('FAILED')} seed ${seed}: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  }
}

/** Runs seeds in several processes until time or number is up, or one fails. */
async function search({ minutes, seeds, from, jobs }: Flags): Promise<number> {
  const startedAt = performance.now();
  const deadline = minutes === undefined ? Number.POSITIVE_INFINITY : startedAt + minutes * 60_000;
  const wanted = seeds ?? (minutes === undefined ? 100 : Number.POSITIVE_INFINITY);
  let next = from ?? randomInt(MAX_SEED);
  let given = 0;
  const finished: FinishedSeed[] = [];
  const totals = { seeds: 0, steps: 0, simulatedMs: 0, sent: 0, acknowledged: 0 };
  let failure: FailedSeed | undefined;
  const say = (): string => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const perMinute = (value: number): string => grouped((value / seconds) * 60);
    return [
      `${grouped(totals.seeds)} seeds (${perMinute(totals.seeds)}/minute)`,
      `${grouped(totals.steps)} steps (${grouped(totals.steps / seconds)}/s)`,
      `${(totals.simulatedMs / 3_600_000).toFixed(1)} h simulated (${(totals.simulatedMs / 60_000 / seconds).toFixed(2)} h/minute)`,
      `${grouped(totals.acknowledged)} of ${grouped(totals.sent)} records acknowledged`,
    ].join(', ');
  };
  const progress = isTerminal(process.stdout)
    ? setInterval(() => logUpdate(say()), 200)
    : setInterval(() => process.stdout.write(`${say()}\n`), 30_000);
  // TypeScript beside TypeScript; `npm run sim` compiles both, for what tsx puts around each function costs a tenth of the time.
  const worker = fileURLToPath(new URL(`swarm-worker${extname(import.meta.url)}`, import.meta.url));
  const over = (): boolean => failure !== undefined || given >= wanted || performance.now() >= deadline;
  await Promise.all(Array.from({ length: jobs }, work));
  clearInterval(progress);
  logUpdate.done();
  process.stdout.write(`${say()}\n`);
  if (failure === undefined) return 0;
  process.stdout.write(`\n${colours.red('FAILED')} at commit ${commit()}, seed ${failure.seed}: ${failure.error}\n`);
  process.stdout.write(`Again, with a trace:  npm run sim -- --seed ${failure.seed}\n`);
  return 1;

  /** One process, for one seed after the other: the compiler of the language needs some until it is warm. */
  function work(): Promise<void> {
    const child = fork(worker, { execArgv: process.execArgv });
    const feed = (): void => {
      if (over()) return void child.disconnect();
      given += 1;
      child.send({ seed: next });
      next += 1;
    };
    child.on('message', (message: WorkerMessage) => {
      if (message.type === 'finished') {
        totals.seeds += 1;
        totals.steps += message.result.steps;
        totals.simulatedMs += message.result.simulatedMs;
        totals.sent += message.result.records.sent;
        totals.acknowledged += message.result.records.acknowledged;
        finished.push(message);
        if (finished.length > 1_000) finished.shift();
      } else failure ??= message;
      feed();
    });
    feed();
    return new Promise<void>((resolve, reject) => {
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    });
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
