/** How fast a member gets the log, and how long that will still take. */
import { grouped } from '../terminal.ts';

export interface CatchUp {
  /** Entries that it lacks. */
  readonly behind: number;
  readonly entriesPerSecond: number;
  /** Undefined while it comes no nearer. */
  readonly secondsLeft: number | undefined;
}

interface Sample {
  readonly atMs: number;
  readonly matchIndex: number;
  readonly lag: number;
}

/** Long enough for a steady figure, short enough to follow a change of pace. */
const WINDOW_MS = 10_000;

export class CatchUpMeter {
  #samples: Sample[] = [];

  take(sample: Sample): CatchUp {
    // Another leader finds out anew how far the member is.
    if (sample.matchIndex < (this.#samples.at(-1)?.matchIndex ?? 0)) this.#samples = [];
    this.#samples.push(sample);
    this.#samples = this.#samples.filter(({ atMs }) => sample.atMs - atMs <= WINDOW_MS);
    const first = this.#samples[0] ?? sample;
    const seconds = (sample.atMs - first.atMs) / 1_000;
    const entriesPerSecond = seconds === 0 ? 0 : (sample.matchIndex - first.matchIndex) / seconds;
    // The log grows meanwhile: what counts is how fast the gap closes.
    const closing = seconds === 0 ? 0 : (first.lag - sample.lag) / seconds;
    return { behind: sample.lag, entriesPerSecond, secondsLeft: closing > 0 ? sample.lag / closing : undefined };
  }
}

export function catchUpLine(node: string, { behind, entriesPerSecond, secondsLeft }: CatchUp): string {
  const rest = secondsLeft === undefined ? 'time left not known' : `about ${duration(secondsLeft)} left`;
  return [`${node} gets the log: ${grouped(behind)} entries behind`, `${grouped(entriesPerSecond)} entries/s`, rest].join('  ');
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
