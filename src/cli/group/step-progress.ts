/** Shows how a change of members goes: one live line on a terminal, a plain line now and then in a pipe. */
import { createLogUpdate } from 'log-update';
import { grouped, isTerminal } from '../terminal.ts';

export interface StepProgress {
  /** `behind`: entries that are still to come, if that is what is waited for. */
  tell(what: string, behind?: number): void;
  done(): void;
}

const PLAIN_EVERY_MS = 3_000;

export function showSteps(stream: NodeJS.WriteStream = process.stderr): StepProgress {
  const live = isTerminal(stream) ? createLogUpdate(stream) : undefined;
  const rate = new CatchUpRate();
  let saidAt = Number.NEGATIVE_INFINITY;
  return {
    tell: (what, behind) => {
      const line = behind === undefined ? what : `${what}${rate.rest(behind, performance.now())}`;
      if (live !== undefined) return live(line);
      if (performance.now() - saidAt < PLAIN_EVERY_MS) return;
      saidAt = performance.now();
      stream.write(`${line}\n`);
    },
    done: () => {
      live?.clear();
      live?.done();
    },
  };
}

/** From how the distance shrinks. */
export class CatchUpRate {
  #first: { readonly behind: number; readonly atMs: number } | undefined;

  rest(behind: number, nowMs: number): string {
    if (this.#first === undefined || behind > this.#first.behind) this.#first = { behind, atMs: nowMs };
    const { behind: before, atMs } = this.#first;
    const perSecond = ((before - behind) / (nowMs - atMs)) * 1_000;
    if (!(perSecond > 0)) return '';
    return `, ${grouped(perSecond)} a second, about ${Math.ceil(behind / perSecond)} s more`;
  }
}
