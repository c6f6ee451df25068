/** Stores the derived state behind the applying: what was applied within a few milliseconds goes out as one atomic batch. */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { toError } from '../base/to-error.ts';
import type { LogIndex } from '../raft/types.ts';
import type { KeyedState } from '../storage/keyed-state.ts';

/** Entries not stored yet above which applying waits for the disk, and from which a store round no longer waits for more. */
const MAX_UNSTORED = 20_000;
const FULL_ROUND = 5_000;
/** Storing is behind anyway, and few large batches cost much less than many small ones. */
const ROUND_MS = 25;

/** One atomic batch, and whom to tell when it is stored. */
export interface StoreRound {
  /** Last entry whose effect it holds. */
  readonly applied: LogIndex;
  readonly puts: readonly (readonly [Buffer, Buffer])[];
  readonly deletes: readonly Buffer[];
  stored(): void;
}

/**
 * Resolves to true when this node's own log is durable up to an entry, to false when it never will be in this run. An entry can be
 * committed, by others, and applied here before it is on this disk: to store its effect then would leave, after a crash, a state that is
 * ahead of the log it follows from.
 */
export type WhenDurable = (index: LogIndex) => Promise<boolean> | true;

export class StoreRounds {
  readonly #keyed: KeyedState;
  readonly #clock: Clock;
  /** Takes all that is to be stored now, the applied index with it. */
  readonly #collect: () => StoreRound;
  readonly #whenDurable: WhenDurable;
  readonly #onFailed: (error: Error) => void;
  #unstored = 0;
  #storing: Promise<void> | undefined;
  /** Ends the wait for a fuller round. */
  #hurry: (() => void) | undefined;
  #closing = false;
  #failed = false;

  constructor(
    keyed: KeyedState,
    clock: Clock,
    collect: () => StoreRound,
    events: { readonly whenDurable: WhenDurable; onFailed(error: Error): void },
  ) {
    this.#keyed = keyed;
    this.#clock = clock;
    this.#collect = collect;
    this.#whenDurable = (index) => events.whenDurable(index);
    this.#onFailed = (error) => events.onFailed(error);
  }

  /** One more entry was applied. */
  noted(): void {
    assert(!this.#closing, 'nothing is applied to a closed state');
    this.#unstored += 1;
    if (this.#unstored >= FULL_ROUND) this.#hurry?.();
    if (this.#storing === undefined && !this.#failed) this.#storing = this.#store();
  }

  waitForRoom(): Promise<void> | undefined {
    return this.#unstored > MAX_UNSTORED ? this.#storing : undefined;
  }

  /** Resolves when all that was noted is stored. */
  async drain(): Promise<void> {
    while (this.#storing !== undefined) {
      this.#hurry?.();
      await this.#storing;
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.drain();
  }

  /** Round after round while there is something to store; what is applied meanwhile is the next round. */
  async #store(): Promise<void> {
    try {
      while (this.#unstored > 0) {
        await this.#gather();
        this.#unstored = 0;
        const round = this.#collect();
        const durable = this.#whenDurable(round.applied);
        // What is not stored is applied again after the restart.
        if (durable !== true && !(await durable)) return;
        await this.#keyed.write(round.puts, round.deletes);
        round.stored();
      }
    } catch (error) {
      this.#failed = true;
      this.#onFailed(toError(error));
    } finally {
      this.#storing = undefined;
    }
  }

  #gather(): Promise<void> {
    if (this.#closing || this.#unstored >= FULL_ROUND) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ROUND_MS, () => this.#hurry?.());
      this.#hurry = () => {
        this.#hurry = undefined;
        timer.cancel();
        resolve();
      };
    });
  }
}
