import type { Clock, Timer } from './clock.ts';

/** Does something again and again, at multiples of a time, until it is closed. What a hundred groups do every second wakes the process once a second. */
export class Repeat {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #task: () => Promise<void> | void;
  #timer: Timer | undefined;
  #closed = false;

  /** `task` must not reject. */
  constructor(clock: Clock, everyMs: number, task: () => Promise<void> | void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#task = task;
    this.#rest();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #rest(): void {
    if (this.#closed) return;
    const leftMs = this.#everyMs - (this.#clock.nowMs() % this.#everyMs);
    // A timer may be a moment early: then this time has just been.
    this.#timer = this.#clock.after(leftMs < 1 ? leftMs + this.#everyMs : leftMs, () => {
      const work = this.#task();
      if (work === undefined) this.#rest();
      else void work.then(() => this.#rest());
    });
  }
}
