#!/usr/bin/env -S node --initial-heap-size=256
/** The `lograft` program. */
import { CommanderError } from 'commander';
import { describeFailure, exitCodeOf } from './cli-error.ts';
import { createProgram } from './program.ts';

const DEBUG = /--log-level[ =](debug|trace)\b/.test(process.argv.join(' '));

// `lograft consume ... | head` closes the pipe early: that is an end, not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await createProgram().parseAsync();
  // Whatever a library keeps open must not hold up a command that is done.
  process.exit();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  process.stderr.write(`lograft: ${describeFailure(error)}\n`);
  if (DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(exitCodeOf(error));
}
