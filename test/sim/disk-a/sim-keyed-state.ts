/** The simulated store of derived state: keeps a prefix of its batches in a power cut, everything when only the process dies. */
import type { KeyedState, KeyRange } from '../../../src/storage/keyed-state.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';

interface Batch {
  readonly puts: readonly (readonly [Buffer, Buffer])[];
  readonly deletes: readonly Buffer[];
}

const WRITE_MS = 0.1;
const READ_MS = 0.05;
const SYNC_MS = 2;
const PAGE = 256;

export class SimKeyedState {
  readonly #scheduler: Scheduler;
  readonly #random: SimRandom;
  #entries = new Map<string, Buffer>();
  /** Ascending; undefined when a key came or went since. */
  #keys: string[] | undefined;
  #synced = new Map<string, Buffer>();
  #batches: Batch[] = [];

  constructor(scheduler: Scheduler, random: SimRandom) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  mount(process: SimProcess): KeyedState {
    const answer = <Result>(meanMs: number, act: () => Result): Promise<Result> =>
      new Promise((resolve) => {
        this.#scheduler.at(this.#scheduler.nowMs + this.#random.exponential(meanMs), 'state', () => {
          if (!process.alive) return;
          const result = act();
          process.deliver(() => resolve(result));
        });
      });
    return {
      get: (key) => answer(READ_MS, () => this.#entries.get(key.toString('latin1'))),
      write: (puts, deletes) => answer(WRITE_MS, () => this.#write({ puts: [...puts], deletes: [...deletes] })),
      range: (range) => this.#range(range, answer),
      sync: () => answer(SYNC_MS, () => this.#sync()),
      close: () => answer(SYNC_MS, () => this.#sync()),
    };
  }

  crash(kind: 'process' | 'power'): void {
    if (kind === 'process') return;
    // Nothing is believed of a store that another run of the machine left open, or, at best, whole batches up to some moment.
    const kept = this.#random.chance(0.5) ? -1 : this.#random.between(0, this.#batches.length);
    this.#entries = new Map(kept < 0 ? [] : this.#synced);
    this.#keys = undefined;
    const batches = this.#batches.slice(0, Math.max(0, kept));
    this.#batches = [];
    this.#synced = new Map(this.#entries);
    for (const batch of batches) this.#write(batch);
  }

  #write(batch: Batch): void {
    for (const [key, value] of batch.puts) {
      const name = key.toString('latin1');
      if (!this.#entries.has(name)) this.#keys = undefined;
      this.#entries.set(name, value);
    }
    for (const key of batch.deletes) if (this.#entries.delete(key.toString('latin1'))) this.#keys = undefined;
    this.#batches.push(batch);
  }

  #sync(): void {
    this.#synced = new Map(this.#entries);
    this.#batches = [];
  }

  async *#range(
    { from, to, reverse, limit }: KeyRange,
    answer: <Result>(meanMs: number, act: () => Result) => Promise<Result>,
  ): AsyncGenerator<[Buffer, Buffer]> {
    const found = await answer(READ_MS, () =>
      this.#find(from?.toString('latin1'), to?.toString('latin1'), reverse === true, limit),
    );
    for (const [at, pair] of found.entries()) {
      if (at > 0 && at % PAGE === 0) await answer(READ_MS, () => {});
      yield pair;
    }
  }

  #find(from: string | undefined, to: string | undefined, reverse: boolean, limit: number | undefined): [Buffer, Buffer][] {
    this.#keys ??= [...this.#entries.keys()].sort();
    const keys = this.#keys;
    const start = from === undefined ? 0 : lowerBound(keys, from);
    const end = to === undefined ? keys.length : lowerBound(keys, to);
    const count = Math.max(0, Math.min(end - start, limit ?? Number.POSITIVE_INFINITY));
    const found: [Buffer, Buffer][] = [];
    for (let at = 0; at < count; at += 1) {
      const key = keys[reverse ? end - 1 - at : start + at] as string;
      found.push([Buffer.from(key, 'latin1'), this.#entries.get(key) as Buffer]);
    }
    return found;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
