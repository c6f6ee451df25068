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
import { MUTANTS, type Mutant } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const colours = coloursFor(process.stdout);

const program = new Command('mutants')
  .description('Puts known bugs back into a copy of the sources, one at a time. The simulator must find each.')
  .argument('[words...]', 'only mutants whose name holds one of these words')
  .option('--seeds <number>', 'give up after so many', Number, 2_000)
  .option('--from <number>', 'first seed', Number, 1)
  .option('--jobs <number>', 'processes to search with', Number, availableParallelism());
program.parse();
const { seeds, from, jobs } = program.opts<{ seeds: number; from: number; jobs: number }>();
const words = program.args;
const chosen = MUTANTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));

const rows: string[][] = [];
for (const [at, mutant] of chosen.entries()) {
  if (isTerminal(process.stdout)) logUpdate(`${at + 1} of ${chosen.length}: ${mutant.name}`);
  const found = await hunt(mutant);
  rows.push([
    mutant.name,
    found === undefined ? colours.red(`not in ${seeds}`) : String(found.seeds),
    found?.how ?? '',
    mutant.bug,
  ]);
  if (!isTerminal(process.stdout))
    process.stdout.write(`${mutant.name}: ${found === undefined ? 'NOT FOUND' : `${found.seeds} seeds, ${found.how}`}\n`);
}
logUpdate.clear();
process.stdout.write(`${renderTable(['mutant', 'seeds', 'found by', 'bug'], rows, { framed: isTerminal(process.stdout) })}\n`);
const missed = rows.filter(([, , how]) => how === '').length;
process.stdout.write(`\n${chosen.length - missed} of ${chosen.length} found\n`);
process.exitCode = missed === 0 ? 0 : 1;

/** Undefined when no seed finds it. */
async function hunt(mutant: Mutant): Promise<{ readonly seeds: number; readonly how: string } | undefined> {
  const copy = mkdtempSync(join(tmpdir(), 'lograft-mutant-'));
  try {
    for (const part of ['src', 'test', 'proto', 'package.json', 'tsconfig.json'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    mutate(join(copy, mutant.file), mutant);
    const output = await run(copy);
    const failure = /FAILED.*?seed (\d+): (.*)/.exec(output);
    if (failure === null) return undefined;
    return {
      seeds: Number(failure[1]) - from + 1,
      how: (failure[2] ?? '').replace(/^(Violation|InvariantViolation|Error): /, '').split(/[:;.]/)[0] ?? '',
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function mutate(path: string, { name, find, replace }: Mutant): void {
  const text = readFileSync(path, 'utf8');
  if (text.split(find).length !== 2)
    throw new Error(`mutant "${name}": its text occurs ${text.split(find).length - 1} times in ${path}, not once`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}

function run(directory: string): Promise<string> {
  const args = ['--import', 'tsx', 'test/sim/main.ts', '--seeds', String(seeds), '--from', String(from), '--jobs', String(jobs)];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('exit', () => resolve(output));
  });
}
