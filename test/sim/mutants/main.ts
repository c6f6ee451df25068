/** `npm run sim:mutants`: puts known bugs back, one at a time, and shows how many seeds the simulator needs to find each. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import logUpdate from 'log-update';
import { renderTable } from '../../../src/cli/table.ts';
import { coloursFor, isTerminal } from '../../../src/cli/terminal.ts';
import { type Edit, MUTANTS, type Mutant } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const HEADINGS = ['mutant', 'seeds', 'found by', 'bug'];
const colours = coloursFor(process.stdout);
const onTerminal = isTerminal(process.stdout);

const program = new Command('mutants')
  .description('Puts known bugs back into a copy of the sources, one at a time. The simulator must find each.')
  .argument('[words...]', 'only mutants whose name holds one of these words')
  .option('--seeds <number>', 'give up after so many', Number, 2_000)
  .option('--from <number>', 'first seed', Number, 1)
  .option('--jobs <number>', 'mutants to hunt at a time', Number, availableParallelism());
program.parse();
const { seeds, from, jobs } = program.opts<{ seeds: number; from: number; jobs: number }>();
const words = program.args;
const chosen = MUTANTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));

interface Found {
  /** How many it took. */
  readonly seeds: number;
  readonly how: string;
}

const waiting = [...chosen];
const hunted: Mutant[] = [];
const rows = new Map<Mutant, string[]>();
let missed = 0;
await Promise.all(
  Array.from({ length: jobs }, async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      hunted.push(mutant);
      show();
      const found = await hunt(mutant);
      hunted.splice(hunted.indexOf(mutant), 1);
      if (found === undefined) missed += 1;
      report(mutant, found);
    }
  }),
);
if (onTerminal) {
  // What is updated in place is cut at the height of the terminal.
  logUpdate.clear();
  process.stdout.write(`${table()}\n`);
}
process.stdout.write(`\n${chosen.length - missed} of ${chosen.length} found\n`);
process.exitCode = missed === 0 ? 0 : 1;

/** On a terminal the table, as far as it goes; in a pipe a line for each as soon as it is known. */
function report(mutant: Mutant, found: Found | undefined): void {
  const { name, bug } = mutant;
  const number = found === undefined ? colours.red(`not in ${seeds}`) : String(found.seeds);
  rows.set(mutant, [name, number, found?.how ?? '', bug]);
  show();
  if (!onTerminal)
    process.stdout.write(`${name}: ${found === undefined ? `NOT FOUND in ${seeds}` : `${found.seeds}, ${found.how}`}\n`);
}

function show(): void {
  if (!onTerminal) return;
  const now = hunted.map(({ name }) => name).join(', ');
  logUpdate(`${table()}\n${rows.size} of ${chosen.length} done, now: ${now}`);
}

function table(): string {
  const known = chosen.flatMap((mutant) => {
    const row = rows.get(mutant);
    return row === undefined ? [] : [row];
  });
  return renderTable(HEADINGS, known, { framed: true });
}

/** Undefined when no seed finds it. */
async function hunt(mutant: Mutant): Promise<Found | undefined> {
  const copy = mkdtempSync(join(tmpdir(), 'lograft-mutant-'));
  try {
    for (const part of ['src', 'test', 'proto', 'package.json', 'tsconfig.json'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    for (const edit of [mutant, ...(mutant.also ?? [])]) mutate(join(copy, edit.file), mutant.name, edit);
    const { output, exitCode } = await run(copy);
    if (exitCode === 0) return undefined;
    const failure = /FAILED.*?seed (\d+): (.*)/.exec(output);
    // A copy that does not even start would otherwise look like a bug that is hard to find.
    if (failure === null) throw new Error(`mutant "${mutant.name}": the search itself failed\n${output}`);
    return {
      seeds: Number(failure[1]) - from + 1,
      how: (failure[2] ?? '').replace(/^(Violation|InvariantViolation|Error): /, '').split(/[:;.]/)[0] ?? '',
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function mutate(path: string, name: string, { find, replace }: Edit): void {
  const text = readFileSync(path, 'utf8');
  if (text.split(find).length !== 2)
    throw new Error(`mutant "${name}": its text occurs ${text.split(find).length - 1} times in ${path}, not once`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}

/** One process, seed after seed: so that the number of the one that finds it is always the same. */
function run(directory: string): Promise<{ readonly output: string; readonly exitCode: number | null }> {
  const args = [...process.execArgv, 'test/sim/main.ts', '--seeds', String(seeds), '--from', String(from), '--jobs', '1'];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('exit', (exitCode) => resolve({ output, exitCode }));
  });
}
