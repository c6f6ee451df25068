/** One run of one program on a simulated machine: whatever reaches it comes through here, and stops when it is killed. */
import type { Clock, Timer } from '../../../src/base/clock.ts';
import type { Scheduler } from './scheduler.ts';

/** How a machine's clocks differ from true time. */
export interface ClockFault {
  /** True milliseconds times this are this machine's milliseconds: 0.99 is a slow clock. */
  rate: number;
  /** Added to the wall clock. May change at any time. */
  wallOffsetMs: number;
}

const EPOCH_MS = Date.UTC(2030, 0, 1);

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  #alive = true;
  #paused = false;
  #waiting: (() => void)[] = [];
  readonly #atDeath: (() => void)[] = [];

  constructor(name: string, scheduler: Scheduler, clockFault: ClockFault) {
    this.name = name;
    this.#scheduler = scheduler;
    this.clock = this.#makeClock(clockFault);
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Lets the program do `task`: now, when it wakes up, or never. */
  deliver(task: () => void): void {
    if (!this.#alive) return;
    // Nothing overtakes what came during a pause.
    if (this.#paused || this.#waiting.length > 0) this.#waiting.push(task);
    else task();
  }

  /** Stops it like SIGSTOP: it does nothing, and notices nothing, until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  /** What waited happens now, in order, each as an event of its own. */
  resume(): void {
    if (!this.#paused || !this.#alive) return;
    this.#paused = false;
    this.#wake();
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    this.#scheduler.at(this.#scheduler.nowMs, 'wake', () => {
      if (this.#paused) return;
      this.#waiting.shift()?.();
      this.#wake();
    });
  }

  /** Like SIGKILL. Nothing of it ever runs again. */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#waiting = [];
    for (const task of this.#atDeath.splice(0)) task();
  }

  onDeath(task: () => void): void {
    this.#atDeath.push(task);
  }

  #makeClock(fault: ClockFault): Clock {
    const scheduler = this.#scheduler;
    const startedAtMs = scheduler.nowMs;
    const { rate } = fault;
    // A process paused for a second finds its timers a second late, as a real one does.
    const after = (delayMs: number, kind: string, task: () => void): Timer => {
      let cancelled = false;
      const timer = scheduler.at(scheduler.nowMs + Math.max(0, delayMs) / rate, kind, () =>
        this.deliver(() => {
          if (!cancelled) task();
        }),
      );
      return {
        cancel: () => {
          cancelled = true;
          timer.cancel();
        },
      };
    };
    return {
      nowMs: () => 1_000 + (scheduler.nowMs - startedAtMs) * rate,
      wallMs: () => Math.floor(EPOCH_MS + scheduler.nowMs * rate + fault.wallOffsetMs),
      // Node's timers never fire within the same millisecond. Here that also makes sure that time goes on.
      after: (delayMs, task) => after(Math.max(1, delayMs), 'timer', task),
      soon: (task) => void after(0, 'soon', task),
    };
  }
}
