/** Options of the commands below `lograft group`. */
import type { Command } from 'commander';
import { type ClientFlags, DEFAULT_ROUTER, withClientFlags } from '../flags.ts';

export interface GroupFlags extends ClientFlags {
  readonly group?: string;
}

/** Getting a log of many gigabytes takes its time. */
const CATCH_UP_SECONDS = 600;

export function withGroupFlags(command: Command, timeoutMeaning: string, timeoutSeconds?: number): Command {
  return withClientFlags(command.option('-g, --group <name>', 'the group (default: the only one)'), timeoutMeaning, timeoutSeconds);
}

/** The same, with patience for a member that has to get the log first. */
export function withCatchUpFlags(command: Command): Command {
  return withGroupFlags(command, 'how long to wait; the same command goes on where this one gave up', CATCH_UP_SECONDS);
}

/** The command line that goes on where one was interrupted. */
export function commandLine(words: readonly string[], flags: GroupFlags, environment: NodeJS.ProcessEnv = process.env): string {
  const router = flags.router.join(',');
  const known = router === (environment.LOGRAFT_ROUTER ?? DEFAULT_ROUTER);
  const group = flags.group === undefined ? [] : ['--group', flags.group];
  return ['lograft group', ...words, ...group, ...(known ? [] : ['--router', router])].join(' ');
}
