/**
 * When parts of the log were written, by the clocks of the leaders that proposed checkpoints: what makes age follow from the log alone. Kept apart
 * from the marks, which a trim forgets. Part of the replicated state.
 */
import { readNumber, writeNumber } from '../storage/bytes.ts';
import { PRODUCER_SESSION_MS } from './limits.ts';

export interface LogTime {
  /** Log index of a checkpoint: everything up to it was written before `wallMs`. */
  readonly index: number;
  readonly wallMs: number;
}

/** Closer together they would tell little more; so there are never more than 33. */
const STEP_MS = PRODUCER_SESSION_MS / 32;

export class LogTimes {
  readonly #times: LogTime[];

  constructor(times: readonly LogTime[] = []) {
    this.#times = [...times];
  }

  /** Oldest first. */
  all(): readonly LogTime[] {
    return this.#times;
  }

  /** Notes a checkpoint. Gives the index up to which everything was written PRODUCER_SESSION_MS before it, or longer; 0: of nothing is that known. */
  note({ index, wallMs }: LogTime): number {
    const at = this.#times.findLastIndex((time) => wallMs - time.wallMs >= PRODUCER_SESSION_MS);
    const silentUpTo = this.#times[at]?.index ?? 0;
    this.#times.splice(0, at + 1);
    const last = this.#times.at(-1);
    if (last === undefined || wallMs - last.wallMs >= STEP_MS) this.#times.push({ index, wallMs });
    return silentUpTo;
  }
}

const TIME_BYTES = 16;

export function timesValue(times: readonly LogTime[]): Buffer {
  const value = Buffer.allocUnsafe(times.length * TIME_BYTES);
  times.forEach(({ index, wallMs }, at) => {
    writeNumber(value, index, at * TIME_BYTES);
    writeNumber(value, wallMs, at * TIME_BYTES + 8);
  });
  return value;
}

export function readTimes(value: Buffer): LogTime[] {
  const times: LogTime[] = [];
  for (let at = 0; at < value.length; at += TIME_BYTES)
    times.push({ index: readNumber(value, at), wallMs: readNumber(value, at + 8) });
  return times;
}
