/** The log of a long-running process: JSON lines in a pipe or file, readable lines on a terminal. */
import { Option } from 'commander';
import { type Logger, type LoggerOptions, pino } from 'pino';
import { isTerminal } from './terminal.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'what to log').choices(LEVELS).default('info');
}

/** Writes to stdout at once, so that the last line before an exit is not lost. */
export async function createLogger(level: string): Promise<Logger> {
  const options: LoggerOptions = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (isTerminal(process.stdout)) {
    const pretty = await loadPretty();
    if (pretty !== undefined) return pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' }));
  }
  return pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, pino.destination({ fd: 1, sync: true }));
}

/** Readable lines are a comfort: without the package the log is JSON on a terminal too. */
async function loadPretty() {
  try {
    return (await import('pino-pretty')).default;
  } catch {
    return undefined;
  }
}
