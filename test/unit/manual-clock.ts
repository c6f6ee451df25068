import type { Clock, Timer } from '../../src/base/clock.ts';

interface Waiting {
  readonly atMs: number;
  readonly task: () => void;
}

/** Time that passes only when a test says so. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #waiting: Waiting[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  soon(task: () => void): void {
    this.after(0, task);
  }

  after(delayMs: number, task: () => void): Timer {
    const waiting = { atMs: this.#nowMs + Math.max(0, delayMs), task };
    this.#waiting.push(waiting);
    return { cancel: () => this.#remove(waiting) };
  }

  /** Lets time pass, and everything happen that is due by then, in order. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await new Promise(setImmediate);
      const [next] = [...this.#waiting].sort((one, other) => one.atMs - other.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      this.#remove(next);
      this.#nowMs = next.atMs;
      next.task();
    }
    this.#nowMs = untilMs;
  }

  #remove(task: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== task);
  }
}
