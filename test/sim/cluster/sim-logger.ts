import { type Logger, pino } from 'pino';
import type { Scheduler } from '../engine/scheduler.ts';
import type { Trace } from '../engine/trace.ts';

/** A process's log: into the trace when somebody reads it, else nowhere. */
export function simLogger(who: string, scheduler: Scheduler, trace: Trace): Logger {
  if (!trace.reading) return pino({ level: 'silent' });
  const write = (line: string): void => {
    const { level, msg, ...rest } = JSON.parse(line) as { level: number; msg: string };
    trace.print(scheduler.nowMs, who, `${level >= 60 ? 'FATAL ' : ''}${msg} ${JSON.stringify(rest)}`);
  };
  return pino({ level: 'debug', base: null, timestamp: false }, { write });
}
