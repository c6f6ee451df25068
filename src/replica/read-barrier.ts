/** Makes reads linearizable (thesis 6.4): those that come together share one question to the leader. */
import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { type Resolvers, withResolvers } from '../base/with-resolvers.ts';
import type { ReadAnswer } from '../raft/effects.ts';
import type { LogIndex } from '../raft/types.ts';

export interface ReadBarrierOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** A question, or its answer, may be lost: it is asked again after so long. */
  readonly askAgainMs: number;
  readonly ask: (read: number) => void;
}

/** Half of what a number can count: never used twice, not by a later process either, as each begins somewhere else (B41). */
const FIRST_READ_BELOW = 2 ** 52;

type Waiter = Resolvers<LogIndex | undefined> & { readonly untilMs: number };

export class ReadBarrier {
  readonly #options: ReadBarrierOptions;
  #lastRead: number;
  /** Asked now; those that come meanwhile may not use its answer, for it may be older than they are. */
  #asking: { readonly read: number; readonly waiters: Waiter[]; readonly timer: Timer } | undefined;
  #next: Waiter[] = [];
  #stopped = false;

  constructor(options: ReadBarrierOptions) {
    this.#options = options;
    const { random } = options;
    this.#lastRead = random.between(0, 2 ** 26 - 1) * 2 ** 26 + random.between(0, 2 ** 26 - 1);
    assert(this.#lastRead < FIRST_READ_BELOW, 'numbers stay exact');
  }

  /** Up to where the log must be applied; undefined when no leader answers within `timeoutMs`. */
  index(timeoutMs: number): Promise<LogIndex | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    const { clock } = this.#options;
    const waiter = { ...withResolvers<LogIndex | undefined>(), untilMs: clock.nowMs() + timeoutMs };
    this.#next.push(waiter);
    if (this.#asking === undefined && this.#next.length === 1) clock.soon(() => this.#askNext());
    return waiter.promise;
  }

  answered({ read, index }: ReadAnswer): void {
    if (this.#asking?.read !== read) return;
    const waiters = this.#askingEnds();
    if (index === undefined) {
      // Nobody leads at the moment.
      this.#next.unshift(...waiters);
      this.#options.clock.after(this.#options.askAgainMs, () => this.#askNext());
      return;
    }
    for (const { resolve } of waiters) resolve(index);
    this.#askNext();
  }

  stop(): void {
    this.#stopped = true;
    for (const { resolve } of [...this.#askingEnds(), ...this.#next.splice(0)]) resolve(undefined);
  }

  /** The question, or its answer, is lost. */
  #askAgain(): void {
    this.#next.unshift(...this.#askingEnds());
    this.#askNext();
  }

  #askingEnds(): readonly Waiter[] {
    const { timer, waiters = [] } = this.#asking ?? {};
    timer?.cancel();
    this.#asking = undefined;
    return waiters;
  }

  #askNext(): void {
    if (this.#stopped || this.#asking !== undefined) return;
    const { clock, ask, askAgainMs } = this.#options;
    const nowMs = clock.nowMs();
    const waiters = this.#next.filter((waiter) => waiter.untilMs > nowMs || void waiter.resolve(undefined));
    this.#next = [];
    if (waiters.length === 0) return;
    this.#lastRead += 1;
    const read = this.#lastRead;
    const timer = clock.after(askAgainMs, () => this.#askAgain());
    this.#asking = { read, waiters, timer };
    ask(read);
  }
}
