/** The derived state of one simulated machine: a process's death takes none of it, a power cut its newest batches, or everything. */
import { assert } from '../../../src/base/assert.ts';
import type { Timer } from '../../../src/base/clock.ts';
import { StorageError } from '../../../src/storage/errors.ts';
import type { KeyedState, KeyRange } from '../../../src/storage/keyed-state.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { drawLatencyMs, type Latency } from './latency.ts';
import { get, page, put, type Range, remove, type Tree } from './sorted-map.ts';

export interface KeyedLatencies {
  readonly read: Latency;
  readonly write: Latency;
  /** Also opening and closing. */
  readonly sync: Latency;
}

const DEFAULT_LATENCIES: KeyedLatencies = {
  read: { baseMs: 0.01, meanMs: 0.03, tailChance: 0.005, tailMeanMs: 1 },
  write: { baseMs: 0.03, meanMs: 0.05, tailChance: 0.01, tailMeanMs: 2 },
  sync: { baseMs: 1, meanMs: 1, tailChance: 0.05, tailMeanMs: 10 },
};
/** Pairs that a range reads at a time. */
const PAGE = 256;
/** Versions of the whole map that a power cut may bring back. More unsynced batches than that, and the oldest have reached the disk. */
const MAX_UNSYNCED_VERSIONS = 4_096;
const POWER_CUT_EMPTIES = 0.5;

interface InFlight {
  readonly process: SimProcess;
  readonly atMs: number;
  readonly timer: Timer;
  readonly interrupted: (() => void) | undefined;
}

export class SimKeyedState {
  readonly #scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #latencies: KeyedLatencies;
  /** What a power cut may leave: first what is synced, then after each batch, last what is read. */
  #versions: Tree[] = [undefined];
  /** Versions that were at the front of `#versions`. */
  #dropped = 0;
  #holder: SimProcess | undefined;
  /** False after a close in good order: then a power cut takes nothing. */
  #leftOpen = false;
  readonly #inFlight = new Set<InFlight>();

  constructor(scheduler: Scheduler, random: SimRandom, latencies: Partial<KeyedLatencies> = {}) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#latencies = { ...DEFAULT_LATENCIES, ...latencies };
  }

  /** As `openLevelState`: rejects with `LOCKED` while a process that lives, paused or not, has it open. `directory` is for that message. */
  mount(process: SimProcess, directory = '/data/state'): Promise<KeyedState> {
    process.onDeath(() => this.#interrupt(process));
    return this.#does(process, 'sync', () => {
      if (this.#holder?.alive === true) throw locked(directory);
      this.#holder = process;
      this.#leftOpen = true;
      return this.#view(process);
    });
  }

  /** What is in flight is never answered. After `power`, what was synced is there, and then some batches in a row or all; or nothing at all. */
  crash(kind: 'process' | 'power'): void {
    this.#interrupt(undefined);
    this.#holder = undefined;
    if (kind === 'process' || !this.#leftOpen) return;
    const emptied = this.#random.chance(POWER_CUT_EMPTIES);
    const kept = emptied ? undefined : this.#random.pick(this.#versions);
    this.#dropped += this.#versions.length;
    this.#versions = [kept];
  }

  /** A new, empty disk in the place of this one. Nobody uses it at the moment. */
  wipe(): void {
    assert(this.#holder === undefined, 'the machine is off');
    this.#dropped += this.#versions.length;
    this.#versions = [undefined];
    this.#leftOpen = false;
  }

  get #newest(): Tree {
    return this.#versions.at(-1);
  }

  #view(process: SimProcess): KeyedState {
    let closed = false;
    const does = <Result>(takes: keyof KeyedLatencies, act: () => Result, interrupted?: () => void): Promise<Result> => {
      const refused = closed;
      const open = (): Result => {
        if (refused) throw new Error('the keyed state is closed');
        return act();
      };
      return this.#does(process, takes, open, refused ? undefined : interrupted);
    };
    const sync = (): Promise<void> => {
      const version = this.#dropped + this.#versions.length - 1;
      return does('sync', () => this.#settle(version));
    };
    return {
      get: (key) => does('read', () => copy(get(this.#newest, name(key)))),
      write: (puts, deletes) => {
        const batch = batchOf(puts, deletes);
        return does(
          'write',
          () => this.#apply(batch),
          () => this.#random.chance(0.5) && this.#apply(batch),
        );
      },
      range: (range) => pages(this.#newest, range, (act) => does('read', act)),
      sync,
      close: () => {
        if (closed) return this.#does(process, 'read', () => {});
        closed = true;
        return this.#does(process, 'sync', () => this.#close(), undefined, this.#busyUntilMs(process));
      },
    };
  }

  #apply(batch: Batch): void {
    let tree = this.#newest;
    for (const [key, value] of batch) tree = value === undefined ? remove(tree, key) : put(tree, key, value);
    this.#versions.push(tree);
    if (this.#versions.length > 2 * MAX_UNSYNCED_VERSIONS) this.#settle(this.#dropped + MAX_UNSYNCED_VERSIONS);
  }

  /** Nothing older than `version` comes back. */
  #settle(version: number): void {
    const older = Math.max(0, version - this.#dropped);
    assert(older < this.#versions.length, 'what is synced was written');
    this.#versions.splice(0, older);
    this.#dropped += older;
  }

  #close(): void {
    this.#settle(this.#dropped + this.#versions.length - 1);
    this.#holder = undefined;
    this.#leftOpen = false;
  }

  /** Closing waits for what was asked before. */
  #busyUntilMs(process: SimProcess): number {
    const theirs = [...this.#inFlight].filter((operation) => operation.process === process);
    return theirs.reduce((latestMs, { atMs }) => Math.max(latestMs, atMs), 0);
  }

  #does<Result>(
    process: SimProcess,
    takes: keyof KeyedLatencies,
    act: () => Result,
    interrupted?: () => void,
    notBeforeMs = 0,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (!process.alive) return;
      const doneMs = this.#scheduler.nowMs + drawLatencyMs(this.#latencies[takes], this.#random);
      const atMs = Math.max(doneMs, notBeforeMs);
      const timer = this.#scheduler.at(atMs, 'state', () => {
        this.#inFlight.delete(operation);
        try {
          const result = act();
          process.deliver(() => resolve(result));
        } catch (error) {
          process.deliver(() => reject(error));
        }
      });
      const operation: InFlight = { process, atMs, timer, interrupted };
      this.#inFlight.add(operation);
    });
  }

  /** A batch in flight is written whole or not at all. */
  #interrupt(process: SimProcess | undefined): void {
    for (const operation of [...this.#inFlight]) {
      if (process !== undefined && operation.process !== process) continue;
      this.#inFlight.delete(operation);
      operation.timer.cancel();
      operation.interrupted?.();
    }
  }
}

/** In order; without a value it is removed. */
type Batch = readonly (readonly [string, Buffer | undefined])[];

/** Copied when it is handed over, as a database does: the caller may use its buffers again. */
function batchOf(puts: readonly (readonly [Buffer, Buffer])[], deletes: readonly Buffer[]): Batch {
  const changes = puts.map(([key, value]) => [name(key), Buffer.from(value)] as const);
  const removals = deletes.map((key) => [name(key), undefined] as const);
  return [...changes, ...removals];
}

async function* pages(
  tree: Tree,
  { from, to, reverse, limit }: KeyRange,
  reads: <Result>(act: () => Result) => Promise<Result>,
): AsyncGenerator<[Buffer, Buffer]> {
  const range: Range = {
    from: from?.toString('latin1'),
    to: to?.toString('latin1'),
    reverse: reverse ?? false,
  };
  let left = limit ?? Number.MAX_SAFE_INTEGER;
  let after: string | undefined;
  while (left > 0) {
    const most = Math.min(left, PAGE);
    const found = await reads(() => page(tree, range, after, most));
    for (const { key, value } of found) yield [Buffer.from(key, 'latin1'), Buffer.from(value)];
    if (found.length < most) return;
    after = found.at(-1)?.key;
    left -= most;
  }
}

/** One character a byte: strings compare as the bytes do. */
function name(key: Buffer): string {
  assert(key.length > 0 && key[0] !== 0, 'a key is not empty and does not begin with byte 0');
  return key.toString('latin1');
}

function copy(value: Buffer | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}

function locked(directory: string): StorageError {
  const advice = 'Nothing was changed. Stop the other one first, or give this one its own directory.';
  return new StorageError('LOCKED', `data directory ${directory} is in use by another process. ${advice}`);
}
