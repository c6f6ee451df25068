/** Starting, recognising and ending the processes of a local cluster. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

export interface StartedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Where in the log file this run begins. */
  readonly logStart: number;
}

/** Starts it in a session of its own, so that Ctrl-C in a terminal reaches `dev` alone. */
export function startProcess(command: readonly string[], logFile: string): StartedProcess {
  const [program = process.execPath, ...args] = command;
  const log = openSync(logFile, 'a');
  try {
    const logStart = fstatSync(log).size;
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] });
    // Without a pid it did not start; the error event tells why, and nobody else listens to it.
    child.once('error', () => {});
    if (child.pid === undefined) throw new Error(`${program} could not be started`);
    child.unref();
    return { child, pid: child.pid, logStart };
  } finally {
    closeSync(log);
  }
}

/** Whether `pid` is a live process with exactly this command: a pid alone may be somebody else's by now. */
export function isRunning(pid: number, command: readonly string[]): boolean {
  const found = commandOf(pid);
  if (found !== undefined) return found.length === command.length && found.every((part, at) => part === command[at]);
  return !hasProc() && exists(pid);
}

/** Pids of all live processes with exactly this command, the recorded one or not: someone may have started it again by hand. */
export function findRunning(recordedPid: number, command: readonly string[]): number[] {
  const others = hasProc()
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : [];
  return [...new Set([recordedPid, ...others])].filter((pid) => isRunning(pid, command));
}

/** Undefined when there is no such process, it has ended but nobody has asked how, or the system has no /proc. */
export function commandOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return text === '' ? undefined : text.replace(/\0$/, '').split('\0');
  } catch {
    return undefined;
  }
}

function hasProc(): boolean {
  return existsSync('/proc/self/cmdline');
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export interface EndedProcess {
  readonly pid: number;
  readonly command: readonly string[];
}

/** SIGTERM, and SIGKILL for those that are still there at `deadline` (performance.now). */
export async function endProcesses(processes: readonly EndedProcess[], deadline: number): Promise<void> {
  const running = (): EndedProcess[] => processes.filter(({ pid, command }) => isRunning(pid, command));
  for (const { pid } of running()) signal(pid, 'SIGTERM');
  while (running().length > 0 && performance.now() < deadline) await sleep(POLL_MS);
  for (const { pid } of running()) signal(pid, 'SIGKILL');
  while (running().length > 0) await sleep(POLL_MS);
}

/** It may end between the look and the signal. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
