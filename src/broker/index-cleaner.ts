/**
 * Deletes from the stored index what lies before the first offset of its queue, and queues that are no more: behind everything else, a little at
 * a time.
 */

import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import { toError } from '../base/to-error.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import type { QueueState } from './queue-state.ts';
import { indexKey, queueKey } from './state-keys.ts';

const KEYS_PER_STEP = 1_000;
const REST_MS = 5;

export class IndexCleaner {
  readonly #keyed: KeyedState;
  readonly #clock: Clock;
  readonly #onFailed: (error: Error) => void;
  readonly #queues = new Set<QueueState>();
  readonly #removed: { readonly topicId: number; readonly queue: number }[] = [];
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

  /**
   * The queue is no more, and the store knows. What is stored of the queue itself goes last: when it is found without a topic at a start, there is
   * something left to do.
   */
  remove(topicId: number, queue: number): void {
    if (this.#closed) return;
    this.#removed.push({ topicId, queue });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Gives up what is left: the index is about to be replaced. */
  async drain(): Promise<void> {
    this.#queues.clear();
    this.#removed.length = 0;
    await this.#working;
  }

  /** What is left is found again at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
  }

  async #work(): Promise<void> {
    try {
      while (this.#queues.size + this.#removed.length > 0) {
        for (const queue of this.#queues) {
          this.#queues.delete(queue);
          await this.#deleteUpTo(queue.topicId, queue.queue, queue.firstOffset);
        }
        const removed = this.#removed.shift();
        if (removed === undefined) continue;
        const done = await this.#deleteUpTo(removed.topicId, removed.queue, Number.MAX_SAFE_INTEGER);
        if (done) await this.#keyed.write([], [queueKey(removed.topicId, removed.queue)]);
      }
    } catch (error) {
      this.#onFailed(toError(error));
    }
  }

  /** False when it was closed before the end. */
  async #deleteUpTo(topicId: number, queue: number, offset: number): Promise<boolean> {
    const range = { from: indexKey(topicId, queue, 0), to: indexKey(topicId, queue, offset), limit: KEYS_PER_STEP };
    for (;;) {
      const keys: Buffer[] = [];
      for await (const [key] of this.#keyed.range(range)) keys.push(key);
      if (keys.length > 0) await this.#keyed.write([], keys);
      if (keys.length < KEYS_PER_STEP) return true;
      if (this.#closed) return false;
      await sleep(this.#clock, REST_MS);
    }
  }
}
