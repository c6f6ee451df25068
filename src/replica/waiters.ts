/** Those who wait until the log has come as far as they need. */
import type { LogIndex } from '../raft/types.ts';

interface Waiter {
  readonly index: LogIndex;
  readonly resolve: (reached: boolean) => void;
}

export class IndexWaiters {
  #waiting: Waiter[] = [];

  /** Resolves to true when `index` is reached, to false when it never will be in this run. */
  until(index: LogIndex): Promise<boolean> {
    return new Promise((resolve) => this.#waiting.push({ index, resolve }));
  }

  reached(upTo: LogIndex): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter(({ index, resolve }) => index > upTo || void resolve(true));
  }

  giveUp(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }
}

/** Those who wait for something to be so, and look for themselves when they are woken. */
export class Waiters {
  #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
