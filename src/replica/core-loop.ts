/** Feeds one core: one input at a time, each to its end, and a tick whenever the core wants one. */
import type { Clock, Timer } from '../base/clock.ts';
import { toError } from '../base/to-error.ts';
import type { RaftCore } from '../raft/core.ts';
import type { Effects } from '../raft/effects.ts';
import type { Input } from '../raft/inputs.ts';
import type { ReplicaObserver } from './replica-observer.ts';

export interface CoreLoopOptions {
  readonly core: RaftCore;
  readonly clock: Clock;
  readonly observer: ReplicaObserver | undefined;
  /** Carries out what the core wants. */
  readonly perform: (effects: Effects) => void;
  readonly onTick: () => void;
  readonly onFailed: (error: Error) => void;
}

/** Beyond so much, a deadline is met at the next multiple of the other: a hundred idle groups wake the process together, not each for itself. */
const FAR_MS = 100;
const TOGETHER_MS = 25;

export class CoreLoop {
  readonly #options: CoreLoopOptions;
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined;
  #stopped = false;

  constructor(options: CoreLoopOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Undefined: it takes no more inputs. `beforehand` sees what the core answers before anything of it is carried out. */
  step(input: Input, beforehand?: (effects: Effects) => void): Effects | undefined {
    const effects = this.#run(input);
    if (effects === undefined) return undefined;
    beforehand?.(effects);
    this.#options.perform(effects);
    this.#schedule();
    return effects;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.timer.cancel();
  }

  #run(input: Input): Effects | undefined {
    if (this.#stopped) return undefined;
    const { core, clock, observer, onFailed } = this.#options;
    try {
      const effects = core.step(input, clock.nowMs());
      observer?.stepped(input, effects);
      return effects;
    } catch (error) {
      // A core that broke an invariant has an unknown state: nothing it would say may leave.
      onFailed(toError(error));
      return undefined;
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { core, clock, onTick } = this.#options;
    const atMs = core.nextDeadlineMs;
    // A timer that fires early costs one harmless tick; re-arming on every message costs more.
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const nowMs = clock.nowMs();
    // Later is harmless (raft.md, duty 1); earlier would be a tick for nothing.
    const dueMs = atMs - nowMs > FAR_MS ? Math.ceil(atMs / TOGETHER_MS) * TOGETHER_MS : atMs;
    const timer = clock.after(Math.ceil(dueMs - nowMs), () => {
      this.#timer = undefined;
      this.step({ type: 'tick' });
      if (!this.#stopped) onTick();
      this.#schedule();
    });
    this.#timer = { atMs, timer };
  }
}
