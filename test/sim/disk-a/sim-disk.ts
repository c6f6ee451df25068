/** A simulated disk: it outlives the processes that use it, and forgets in a crash what was not synced, sector by sector. */
import type { Disk, DiskFile } from '../../../src/storage/disk.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Trace } from '../engine/trace.ts';
import { SimFile } from './sim-file.ts';

const READ_MS = 0.05;
const WRITE_MS = 0.02;
const SYNC_MS = 0.15;
const NAME_MS = 0.3;
/** One operation in so many takes much longer. */
const TAIL_CHANCE = 0.01;
const TAIL_MS = 5;

export class SimDisk {
  readonly #scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #trace: Trace;
  readonly #files = new Map<string, SimFile>();
  #capacityBytes = Number.MAX_SAFE_INTEGER;
  #stalledUntilMs = 0;
  #slowness = 1;
  #failingSyncs = 0;
  /** What the processes asked for and is not done: a killed one's writes may be done in part, before the next one starts. */
  readonly #underWay = new Set<{ readonly atDeath: (() => void) | undefined }>();
  /** Directory operations that a power cut may still undo. */
  #undo: (() => void)[] = [];

  constructor(scheduler: Scheduler, random: SimRandom, trace: Trace) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#trace = trace;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const file of this.#files.values()) bytes += file.size;
    return bytes;
  }

  files(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  file(path: string): SimFile {
    const file = this.#files.get(path);
    if (file === undefined) throw failure('ENOENT', path);
    return file;
  }

  /** What one process uses. A dead one gets no answer any more. */
  mount(process: SimProcess): Disk {
    return {
      makeDirectory: () => this.#does(process, NAME_MS, () => {}),
      list: (path) =>
        this.#does(process, READ_MS, () =>
          this.files()
            .filter((name) => name.startsWith(`${path}/`))
            .map((name) => name.slice(path.length + 1))
            .filter((name) => !name.includes('/')),
        ),
      readFile: (path) => this.#does(process, READ_MS, () => this.#files.get(path)?.read(0, Number.MAX_SAFE_INTEGER)),
      replaceFile: (path, bytes) =>
        this.#names(process, path, () => {
          this.#makeRoom(bytes.byteLength - (this.#files.get(path)?.size ?? 0));
          this.#files.set(path, SimFile.with(path, Buffer.from(bytes)));
        }),
      open: async (path, { create }) => {
        if (!create) return this.#does(process, READ_MS, () => this.#handle(process, this.file(path)));
        return this.#names(process, path, () => {
          if (this.#files.has(path)) throw failure('EEXIST', path);
          const file = new SimFile(path);
          this.#files.set(path, file);
          return this.#handle(process, file);
        });
      },
      rename: (from, to) =>
        this.#names(process, to, () => {
          const file = this.file(from);
          this.#files.delete(from);
          file.path = to;
          this.#files.set(to, file);
        }),
      remove: (path) =>
        this.#names(process, path, () => {
          this.file(path);
          this.#files.delete(path);
        }),
    };
  }

  /** The process is gone, or the machine was without power. What the next process finds is decided here. */
  crash(kind: 'process' | 'power'): void {
    for (const { atDeath } of this.#underWay) atDeath?.();
    this.#underWay.clear();
    if (kind === 'process') return;
    for (const undo of this.#undo.splice(0).reverse()) if (this.#random.chance(0.5)) undo();
    const mood = this.#random.pick(['lose', 'keep', 'each', 'each', 'each']);
    const kept = this.#random.fraction();
    for (const file of this.#files.values()) {
      file.crash((sector) => {
        if (mood === 'lose') return 0;
        if (mood === 'keep') return sector.length;
        return this.#random.chance(kept) ? sector.length : 0;
      });
    }
  }

  /** Nothing is done before. */
  stallUntil(atMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, atMs);
  }

  slow(factor: number): void {
    this.#slowness = factor;
  }

  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /** The next sync fails, and everything it should have made durable is called clean: the one after succeeds and does nothing. */
  failNextSync(): void {
    this.#failingSyncs += 1;
  }

  calm(): void {
    this.#stalledUntilMs = 0;
    this.#slowness = 1;
    this.#capacityBytes = Number.MAX_SAFE_INTEGER;
    this.#failingSyncs = 0;
  }

  #handle(process: SimProcess, file: SimFile): DiskFile {
    const write = (position: number, buffers: readonly Uint8Array[]): void => {
      const bytes = buffers.length === 1 ? asBuffer(buffers[0] as Uint8Array) : Buffer.concat(buffers);
      const growth = Math.max(0, position + bytes.length - file.size);
      const limited = growth > 0 && this.#capacityBytes < Number.MAX_SAFE_INTEGER;
      const room = limited ? this.#capacityBytes - this.usedBytes : growth;
      if (growth > 0 && room < growth) {
        // A real disk takes what still fits before it says that it is full.
        const fits = bytes.length - growth + Math.max(0, room);
        if (fits > 0) file.write(position, bytes.subarray(0, fits));
        throw failure('ENOSPC', file.path);
      }
      file.write(position, bytes);
    };
    return {
      size: () => this.#does(process, READ_MS, () => file.size),
      read: (position, length) => this.#does(process, READ_MS, () => file.read(position, length)),
      write: (position, buffers) =>
        this.#does(
          process,
          WRITE_MS,
          () => write(position, buffers),
          () => this.#tornByDeath(file, position, buffers),
        ),
      sync: () => this.#syncs(process, file),
      writeDurably: (position, buffers) => {
        // The bytes reach the page cache first: a process killed on the way leaves them there.
        return this.#does(
          process,
          WRITE_MS,
          () => write(position, buffers),
          () => this.#tornByDeath(file, position, buffers),
        ).then(() => this.#syncs(process, file));
      },
      close: () => this.#does(process, WRITE_MS, () => {}),
    };
  }

  #syncs(process: SimProcess, file: SimFile): Promise<void> {
    const image = file.beginSync();
    return this.#does(process, SYNC_MS, () => {
      if (this.#failingSyncs > 0) {
        this.#failingSyncs -= 1;
        file.failSync(image);
        throw failure('EIO', file.path);
      }
      file.sync(image);
    });
  }

  /** A killed process's write may have been done in part. */
  #tornByDeath(file: SimFile, position: number, buffers: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(buffers);
    const done = this.#random.pick([0, bytes.length, this.#random.between(0, bytes.length)]);
    const fits = Math.min(done, Math.max(0, file.size - position));
    if (fits > 0) file.write(position, bytes.subarray(0, fits));
  }

  #makeRoom(growth: number): void {
    if (growth > 0 && this.#capacityBytes < Number.MAX_SAFE_INTEGER && this.usedBytes + growth > this.#capacityBytes)
      throw failure('ENOSPC', 'the disk');
  }

  /** A change of names: durable when it is answered; until then a power cut may undo it. */
  #names<Result>(process: SimProcess, path: string, act: () => Result): Promise<Result> {
    const before = new Map(this.#files);
    return this.#does(process, NAME_MS / 2, () => {
      const result = act();
      const undo = (): void => {
        for (const name of new Set([...before.keys(), ...this.#files.keys()])) {
          if (name !== path && before.get(name) === this.#files.get(name)) continue;
          const old = before.get(name);
          if (old === undefined) this.#files.delete(name);
          else this.#files.set(name, old);
        }
      };
      this.#undo = [undo];
      return result;
    }).then((result) =>
      this.#does(process, NAME_MS / 2, () => {
        this.#undo = [];
        return result;
      }),
    );
  }

  #does<Result>(process: SimProcess, meanMs: number, act: () => Result, atDeath?: () => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const atMs = this.#scheduler.nowMs + this.#latencyMs(meanMs);
      const operation = { atDeath };
      this.#underWay.add(operation);
      const run = (): void => {
        if (!this.#underWay.has(operation)) return;
        // A stall that began meanwhile holds this up too.
        if (this.#scheduler.nowMs < this.#stalledUntilMs) {
          this.#scheduler.at(this.#stalledUntilMs + this.#latencyMs(meanMs), 'disk', run);
          return;
        }
        this.#underWay.delete(operation);
        let result: Result;
        try {
          result = act();
        } catch (error) {
          process.deliver(() => reject(error));
          return;
        }
        process.deliver(() => resolve(result));
      };
      this.#scheduler.at(Math.max(atMs, this.#stalledUntilMs), 'disk', run);
    });
  }

  #latencyMs(meanMs: number): number {
    const tail = this.#random.chance(TAIL_CHANCE) ? this.#random.exponential(TAIL_MS) : 0;
    return (meanMs / 2 + this.#random.exponential(meanMs / 2) + tail) * this.#slowness;
  }

  note(what: string): void {
    this.#trace.note(this.#scheduler.nowMs, 'disk', () => what);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
