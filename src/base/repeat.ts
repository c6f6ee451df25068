import type { Clock, Timer } from './clock.ts';

/** Does something again and again, with a rest before each time, until it is closed. */
export class Repeat {
  readonly #clock: Clock;
  readonly #restMs: number;
  readonly #task: () => Promise<void> | void;
  #timer: Timer | undefined;
  #closed = false;

  /** `task` must not reject. */
  constructor(clock: Clock, restMs: number, task: () => Promise<void> | void) {
    this.#clock = clock;
    this.#restMs = restMs;
    this.#task = task;
    this.#rest();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #rest(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(this.#restMs, () => {
      const work = this.#task();
      if (work === undefined) this.#rest();
      else void work.then(() => this.#rest());
    });
  }
}
