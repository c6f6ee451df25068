/**
 * The disk of one simulated machine: it outlives the processes that use it, forgets in a power cut what was not synced, and does to its
 * files what disks do.
 */
import { assert } from '../../../src/base/assert.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Trace } from '../engine/trace.ts';
import { type DiskFault, describeFault } from './disk-fault.ts';
import { DiskQueue } from './disk-queue.ts';
import { DEFAULT_LATENCIES, type DiskLatencies } from './latency.ts';
import { type Aim, Medium, type WrongPlace } from './medium.ts';
import { mountedDisk } from './mounted-disk.ts';
import { SECTOR_BYTES } from './power-cut.ts';
import type { SimFile } from './sim-file.ts';

export interface SimDiskOptions {
  /** Who the trace says it is. Default: `disk`. */
  readonly name?: string | undefined;
  /** Default: those of a good SSD, `DEFAULT_LATENCIES`. */
  readonly latencies?: Partial<DiskLatencies> | undefined;
  /** Told of each fault when it strikes. */
  readonly onFault?: ((fault: DiskFault) => void) | undefined;
}

export class SimDisk {
  readonly #queue: DiskQueue;
  readonly #medium: Medium;
  readonly #random: SimRandom;
  readonly #strikes: (fault: DiskFault) => void;

  constructor(scheduler: Scheduler, random: SimRandom, trace?: Trace, options: SimDiskOptions = {}) {
    const name = options.name ?? 'disk';
    this.#strikes = (fault) => {
      trace?.note(scheduler.nowMs, name, () => describeFault(fault));
      options.onFault?.(fault);
    };
    this.#random = random.fork('outcomes');
    this.#queue = new DiskQueue(scheduler, random.fork('latencies'), { ...DEFAULT_LATENCIES, ...options.latencies });
    this.#medium = new Medium(this.#random, this.#strikes);
  }

  /** The disk as one process uses it. What is in flight when it dies is done, done in part, or not done. */
  mount(process: SimProcess): Disk {
    process.onDeath(() => this.#queue.interrupt(process));
    return mountedDisk({ process, queue: this.#queue, medium: this.#medium, random: this.#random });
  }

  /**
   * The processes are gone, or the machine was without power: what is in flight is never answered. After `process` the page cache is still
   * there, with names that were not synced; after `power` it is not.
   */
  crash(kind: 'process' | 'power'): void {
    this.#queue.interrupt();
    if (kind === 'power') this.#medium.powerCut();
  }

  // Faults. Whatever says "next" waits for its moment, one operation each, in the order in which they were called for.

  /** Nothing completes before. */
  stallUntil(untilMs: number): void {
    this.#queue.stalledUntilMs = Math.max(this.#queue.stalledUntilMs, untilMs);
    this.#strikes({ kind: 'stalled', untilMs });
  }

  /** What begins from now on takes so many times as long. 1: as usual. */
  slow(factor: number): void {
    this.#queue.slowness = factor;
    this.#strikes({ kind: 'slowed', factor });
  }

  /** Of all files together. A write that does not fit writes what fits, then fails with ENOSPC. Files that are larger already stay. */
  setCapacity(bytes: number): void {
    this.#medium.capacityBytes = bytes;
    this.#strikes({ kind: 'capacitySet', bytes });
  }

  /** EIO, once, from a sync or a durable write. All that it should have written is called clean and is not on the disk: later syncs succeed. */
  failNextSync(): void {
    this.#medium.armSyncFailure();
  }

  /** EIO after a part of the bytes. */
  failNextWrite(): void {
    this.#medium.armWrite({ kind: 'fail' });
  }

  /** Acknowledged, also by syncs, and never on the disk: seen until the page cache is gone. The sectors of the write are lost whole. */
  loseNextWrite(aim?: Aim): void {
    this.#medium.armWrite({ kind: 'lose', aim });
  }

  /**
   * Acknowledged, also by syncs, and on the disk elsewhere, in whole sectors. The reader of the right place sees what was written until the
   * page cache is gone, since it was just put there. The reader of the wrong place sees the damage at once, unless that was unsynced.
   */
  misdirectNextWrite(to: WrongPlace, aim?: Aim): void {
    this.#medium.armWrite({ kind: 'misdirect', to, aim });
  }

  /** On the medium: seen at once where the page cache holds nothing newer. `bit`: 0 to 7. */
  flipBit(path: string, position: number, bit: number): void {
    assert(bit >= 0 && bit <= 7, `a byte has bits 0 to 7: ${bit}`);
    const at = position % SECTOR_BYTES;
    this.#fileWith(path, position).damage(position, (before) => {
      // The disk's image may be shorter than the page cache's.
      if (at < before.length) before[at] = (before[at] as number) ^ (1 << bit);
      return before;
    });
    this.#strikes({ kind: 'bitFlipped', path, position, bit });
  }

  /** The whole sector around `position`. */
  zeroSector(path: string, position: number): void {
    this.#fileWith(path, position).damage(position, (before) => before.fill(0));
    this.#strikes({ kind: 'sectorZeroed', path, position: position - (position % SECTOR_BYTES) });
  }

  /** Reads of the sector around `position` fail with EIO, and writes of a part of it, until it is written whole. */
  makeUnreadable(path: string, position: number): void {
    this.#fileWith(path, position).makeUnreadable(position);
    this.#strikes({ kind: 'sectorUnreadable', path, position: position - (position % SECTOR_BYTES) });
  }

  /** Clean pages leave the memory: from now on lost and misdirected writes, and those of failed syncs, are seen as what they are. */
  dropCache(): void {
    for (const [, file] of this.#medium.names.files) file.dropCache();
    this.#strikes({ kind: 'cacheDropped' });
  }

  /** Its name leads nowhere any more. */
  loseFile(path: string): void {
    this.#medium.names.lose(path);
    this.#strikes({ kind: 'fileLost', path });
  }

  /** A new, empty disk in the place of this one. */
  wipe(): void {
    const files = this.files().length;
    this.#medium.names.loseAll();
    this.#strikes({ kind: 'wiped', files });
  }

  /** Ends stall, slowness and lack of room, and forgets what has not struck yet. Damage stays. */
  calm(): void {
    this.#queue.stalledUntilMs = 0;
    this.#queue.slowness = 1;
    this.#medium.capacityBytes = Number.MAX_SAFE_INTEGER;
    this.#medium.disarm();
  }

  /** Paths of all files, sorted. */
  files(): readonly string[] {
    return this.#medium.names.files.map(([path]) => path);
  }

  /** What is there if the power goes now and nothing unsynced is kept. */
  durableBytes(path: string): Buffer {
    return this.#medium.names.file(path).durableBytes();
  }

  /** What a process reads. */
  cachedBytes(path: string): Buffer {
    return this.#medium.names.file(path).cachedBytes();
  }

  /** Of all files together, as `setCapacity` counts. */
  get usedBytes(): number {
    return this.#medium.usedBytes;
  }

  #fileWith(path: string, position: number): SimFile {
    const file = this.#medium.names.file(path);
    assert(position >= 0 && position < file.sizeBytes, `${path} has no byte ${position}`);
    return file;
  }
}
