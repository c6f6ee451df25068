/**
 * Makes segments ahead of their use, beside the appends: filled with zeros and synced, so that appends only overwrite. An overwrite needs
 * no block allocation and no metadata: it is three times faster to sync, and a full disk cannot make it fail.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { alignUp } from './bytes.ts';
import type { Disk } from './disk.ts';
import { isDiskFull, StorageError, toStorageError } from './errors.ts';
import { makeSegment } from './make-segment.ts';
import type { SegmentFile } from './segment-files.ts';
import { grownSegmentBytes, MAX_SEGMENT_BYTES, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { UNIT_ALIGNMENT_BYTES } from './unit-format.ts';

/** Rest between two chunks while no append waits. */
const PAUSE_MS = 2;
const RETRY_MS = 1_000;

export interface PreallocationOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly logId: Buffer;
  readonly segmentBytes: number;
  /** Segments to hold ready. */
  readonly count: number;
  /** Of all segment files together. */
  readonly maxLogBytes: number;
  readonly clock: Clock;
  /** Anything but a full disk. */
  readonly onFailed: (error: Error) => void;
}

export class Preallocation {
  readonly #options: PreallocationOptions;
  readonly #ready: SegmentFile[];
  #nextNumber: number;
  #logBytes: number;
  #full = false;
  #stopped = false;
  #givesUp = false;
  #working: Promise<void> | undefined;
  #waiter: { readonly minBytes: number; readonly resolve: (segment: SegmentFile | undefined) => void } | undefined;
  #pause: { readonly timer: Timer; readonly resolve: () => void } | undefined;

  /** `logBytes`: of the files that exist, those of `ready` included. */
  constructor(options: PreallocationOptions, nextNumber: number, logBytes: number, ready: readonly SegmentFile[]) {
    this.#options = options;
    this.#nextNumber = nextNumber;
    this.#logBytes = logBytes;
    this.#ready = [...ready];
  }

  /** No further segment can be made at the moment. */
  get full(): boolean {
    return this.#full;
  }

  /** Bytes for units in the segments that are ready. */
  get readyBytes(): number {
    return this.#ready.reduce((sum, segment) => sum + segment.segmentBytes - SEGMENT_HEADER_BYTES, 0);
  }

  /** Begins to make what is missing. */
  start(): void {
    if (this.#stopped || this.#working !== undefined || !this.#wanted) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** The next segment, with room for a unit of `minBytes`. Waits as long as the disk is full. Undefined when stopped. */
  async take(minBytes: number): Promise<SegmentFile | undefined> {
    assert(this.#waiter === undefined, 'one at a time waits for a segment');
    const first = this.#ready[0];
    if (first !== undefined && fits(first, minBytes)) {
      this.#ready.shift();
      this.start();
      return first;
    }
    if (this.#stopped) return undefined;
    return new Promise((resolve) => {
      this.#waiter = { minBytes, resolve };
      this.#wake();
      this.start();
    });
  }

  /** Whoever waits in `take` gets undefined. */
  stopWaiting(): void {
    this.#releaseWaiter();
  }

  /** A segment was removed: its bytes are there for others, and for this log. */
  freed(bytes: number): void {
    this.#logBytes -= bytes;
    assert(this.#logBytes >= 0, 'what is freed was counted');
    if (this.#full) this.#wake();
  }

  get #wanted(): boolean {
    return this.#waiter !== undefined || this.#ready.length < this.#options.count;
  }

  /** From now on a full disk is not waited for: `take` gives undefined. */
  giveUpWhenFull(): void {
    this.#givesUp = true;
    if (this.#full) this.#stopped = true;
    if (this.#stopped) this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#working;
    this.#releaseWaiter();
    for (const { file } of this.#ready.splice(0)) await file.close();
  }

  #releaseWaiter(): void {
    this.#waiter?.resolve(undefined);
    this.#waiter = undefined;
  }

  async #work(): Promise<void> {
    try {
      while (!this.#stopped && this.#wanted) {
        await this.#makeOne();
        this.#serve();
        if (this.#full && this.#givesUp) break;
        if (this.#full && !this.#stopped) await this.#rest(RETRY_MS);
      }
      // Left with a waiter only when stopped or given up.
      this.#releaseWaiter();
    } catch (error) {
      this.#stopped = true;
      this.#releaseWaiter();
      this.#options.onFailed(toStorageError(error, 'preallocating a log segment'));
    }
  }

  #serve(): void {
    const first = this.#ready[0];
    if (this.#waiter === undefined || first === undefined || !fits(first, this.#waiter.minBytes)) return;
    const { resolve } = this.#waiter;
    this.#waiter = undefined;
    this.#ready.shift();
    resolve(first);
  }

  async #makeOne(): Promise<void> {
    const segmentBytes = grownSegmentBytes(this.#nextNumber, this.#options.segmentBytes);
    const minBytes = this.#waiter?.minBytes ?? 0;
    const bytes = Math.max(segmentBytes, alignUp(SEGMENT_HEADER_BYTES + minBytes, UNIT_ALIGNMENT_BYTES));
    assert(bytes <= MAX_SEGMENT_BYTES, 'a unit fits into the largest segment');
    // A unit that is too large for those that are ready: they have the number that its segment needs.
    const first = this.#ready[0];
    if (first !== undefined && !fits(first, minBytes)) await this.#discardReady();
    try {
      if (this.#logBytes + bytes > this.#options.maxLogBytes) throw new StorageError('DISK_FULL', 'maxLogBytes is reached');
      const { disk, directory, logId } = this.#options;
      const header = { number: this.#nextNumber, segmentBytes: bytes, logId };
      const made = await makeSegment(disk, directory, header, () => this.#goOn());
      if (made === undefined) return;
      this.#ready.push(made);
      this.#nextNumber += 1;
      this.#logBytes += bytes;
      this.#full = false;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#full = true;
    }
  }

  async #discardReady(): Promise<void> {
    for (let last = this.#ready.pop(); last !== undefined; last = this.#ready.pop()) {
      await last.file.close();
      await this.#options.disk.remove(last.path);
      this.#nextNumber = last.number;
      this.#logBytes -= last.segmentBytes;
    }
  }

  async #goOn(): Promise<boolean> {
    if (this.#waiter === undefined && !this.#stopped) await this.#rest(PAUSE_MS);
    return !this.#stopped;
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, () => {
        this.#pause = undefined;
        resolve();
      });
      this.#pause = { timer, resolve };
    });
  }

  #wake(): void {
    if (this.#pause === undefined) return;
    this.#pause.timer.cancel();
    this.#pause.resolve();
    this.#pause = undefined;
  }
}

function fits(segment: SegmentFile, bytes: number): boolean {
  return bytes <= segment.segmentBytes - SEGMENT_HEADER_BYTES;
}
