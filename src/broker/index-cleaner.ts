/** Deletes from the stored index what lies before the first offset of its queue: behind everything else, a little at a time. */

import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import { toError } from '../base/to-error.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import type { QueueState } from './queue-state.ts';
import { indexKey } from './state-keys.ts';

const KEYS_PER_STEP = 1_000;
const REST_MS = 5;

export class IndexCleaner {
  readonly #keyed: KeyedState;
  readonly #clock: Clock;
  readonly #onFailed: (error: Error) => void;
  readonly #queues = new Set<QueueState>();
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(keyed: KeyedState, clock: Clock, onFailed: (error: Error) => void) {
    this.#keyed = keyed;
    this.#clock = clock;
    this.#onFailed = onFailed;
  }

  /** The queue may begin later than before. */
  clean(queue: QueueState): void {
    if (queue.firstOffset === 0 || this.#closed) return;
    this.#queues.add(queue);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Gives up what is left: the index is about to be replaced. */
  async drain(): Promise<void> {
    this.#queues.clear();
    await this.#working;
  }

  /** What is left is found again at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
  }

  async #work(): Promise<void> {
    try {
      for (const queue of this.#queues) {
        this.#queues.delete(queue);
        await this.#cleanOne(queue);
      }
    } catch (error) {
      this.#onFailed(toError(error));
    }
  }

  async #cleanOne(queue: QueueState): Promise<void> {
    const { topicId, queue: number } = queue;
    const range = { from: indexKey(topicId, number, 0), to: indexKey(topicId, number, queue.firstOffset), limit: KEYS_PER_STEP };
    for (;;) {
      const keys: Buffer[] = [];
      for await (const [key] of this.#keyed.range(range)) keys.push(key);
      if (keys.length > 0) await this.#keyed.write([], keys);
      if (keys.length < KEYS_PER_STEP || this.#closed) return;
      await sleep(this.#clock, REST_MS);
    }
  }
}
