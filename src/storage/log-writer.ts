/** Puts units on the disk: one outstanding write, what arrives meanwhile goes out together as the next. */
import { InvariantViolation } from '../base/assert.ts';
import type { HardState, LogBase, LogPosition, WriteUnit } from '../raft/types.ts';
import { toStorageError } from './errors.ts';
import type { ReplayStart } from './log-head.ts';
import type { LogStart } from './log-start.ts';
import type { Preallocation } from './preallocation.ts';
import type { SegmentFile } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { reserveBytes, UNIT_OVERHEAD_BYTES } from './segmented-log-options.ts';
import { UNIT_HEADER_BYTES } from './unit-format.ts';
import { encodeBatch, maxBytesOnDisk, type PlacedUnit, planBatch, type WriteBatch } from './write-batch.ts';

export interface LogWriterOptions {
  readonly seed: number;
  readonly preallocation: Preallocation;
  readonly start: LogStart;
  /** The log as it is on the disk. */
  readonly current: SegmentFile;
  readonly position: number;
  readonly sequence: number;
  readonly hardState: HardState;
  readonly last: LogPosition;
  /** Where entries lie now. `queued` may replace some of them already. */
  readonly onPlaced: (segment: number, placed: readonly PlacedUnit[], queued: readonly WriteUnit[]) => void;
  readonly onWritten: (unit: WriteUnit) => void;
  /** Called once; nothing is written after it. */
  readonly onFailed: (error: Error) => void;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  #current: SegmentFile;
  #position: number;
  /** Of the newest unit on the disk, durable. Units are numbered on over restarts, unlike the core's write sequences. */
  #sequence: number;
  #hardState: HardState;
  /** Last entry when all units that were placed are replayed; the view is ahead by the queued ones. */
  #last: LogPosition;
  #queue: WriteUnit[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #sealed = true;
  #stopped = false;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#position = options.position;
    this.#sequence = options.sequence;
    this.#hardState = options.hardState;
    this.#last = options.last;
  }

  add(unit: WriteUnit): void {
    if (unit.reset !== undefined) this.#forgetQueued();
    this.#queue.push(unit);
    this.#queuedBytes += maxBytesOnDisk(unit);
    this.#writing ??= this.#writeQueue();
  }

  hasRoomFor(bytes: number): boolean {
    const { preallocation } = this.#options;
    if (!preallocation.full) return true;
    const { readyBytes } = preallocation;
    const room = readyBytes > 0 ? readyBytes : this.#current.segmentBytes - this.#position;
    return bytes + UNIT_OVERHEAD_BYTES + this.#queuedBytes + reserveBytes(this.#current.segmentBytes) <= room;
  }

  /** What is being written is not waited for; nothing is written or reported after it. */
  stop(): void {
    this.#stopped = true;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#seal();
    this.#stopped = true;
    await this.#current.file.close();
  }

  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#stopped) {
        const [first] = this.#queue as [WriteUnit];
        const batch = planBatch(this.#queue, this.#last, this.#current.segmentBytes - this.#position);
        if (first.reset !== undefined) await this.#reset(first, first.reset);
        else if (batch.taken > 0) await this.#writeBatch(batch);
        else if (!(await this.#nextSegment()) && this.#queue[0]?.reset === undefined) break;
      }
    } catch (error) {
      this.#fail(error, 'writing the log');
    }
    this.#writing = undefined;
  }

  async #writeBatch(batch: WriteBatch): Promise<void> {
    const taken = this.#queue.splice(0, batch.taken);
    const { number: segment, file } = this.#current;
    const encoded = encodeBatch(batch.units, { segment, position: this.#position }, this.#sequence, this.#options.seed);
    await file.writeDurably(this.#position, encoded.buffers);
    if (this.#stopped) return;
    this.#position = encoded.endPosition;
    this.#sequence += batch.units.length;
    this.#last = batch.last;
    this.#sealed = false;
    this.#options.onPlaced(segment, encoded.placed, this.#queue);
    for (const unit of taken) this.#queuedBytes -= maxBytesOnDisk(unit);
    const last = taken.at(-1) as WriteUnit;
    this.#hardState = last.hardState;
    this.#options.onWritten(last);
  }

  /**
   * Nothing is written to a segment: that the log begins here, with this base and hard state, is all in the head, which is replaced in one.
   * Its entries follow as a unit of their own.
   */
  async #reset(unit: WriteUnit, reset: LogBase): Promise<void> {
    const { hardState, entries } = unit;
    this.#queue.shift();
    this.#queuedBytes -= maxBytesOnDisk(unit);
    const { start } = this.#options;
    const here: ReplayStart = { ...this.#startHere(), lastIndex: reset.index, hardState };
    await start.reset(reset, here);
    if (this.#stopped) return;
    this.#hardState = hardState;
    this.#last = reset;
    this.#sealed = true;
    start.removeDropped().catch((error) => this.#fail(error, 'removing segments'));
    if (entries.length === 0) return this.#options.onWritten(unit);
    // Unless the log began anew once more meanwhile.
    if (this.#queue.some((queued) => queued.reset !== undefined)) return;
    this.#queue.unshift({ ...unit, reset: undefined });
    this.#queuedBytes += maxBytesOnDisk(unit);
  }

  /** What a reset drops needs no writing, least of all when it waits for a full disk. The reset's hard state is newer than theirs. */
  #forgetQueued(): void {
    for (const unit of this.#queue.splice(0)) this.#queuedBytes -= maxBytesOnDisk(unit);
    this.#options.preallocation.stopWaiting();
  }

  /** False when the log is closed, or begins anew, before there is one. */
  async #nextSegment(): Promise<boolean> {
    const next = await this.#options.preallocation.take(maxBytesOnDisk(this.#queue[0] as WriteUnit));
    if (next === undefined || this.#stopped) return false;
    const { file } = this.#current;
    this.#current = next;
    this.#position = SEGMENT_HEADER_BYTES;
    this.#options.start.use({ ...next, start: this.#startHere() });
    await file.close();
    return true;
  }

  #startHere(): ReplayStart {
    return {
      segment: this.#current.number,
      position: this.#position,
      sequence: this.#sequence,
      lastIndex: this.#last.index,
      hardState: this.#hardState,
    };
  }

  /** An empty unit that says that the last write was durable: rot in it is told from a torn tail from now on. */
  async #seal(): Promise<void> {
    const room = this.#position + UNIT_HEADER_BYTES <= this.#current.segmentBytes;
    if (this.#stopped || this.#sealed || this.#queue.length > 0 || !room) return;
    const unit = {
      hardState: this.#hardState,
      firstIndex: this.#last.index + 1,
      entries: [],
      payloadBytes: 0,
      last: this.#last,
    };
    const place = { segment: this.#current.number, position: this.#position };
    const { buffers } = encodeBatch([unit], place, this.#sequence, this.#options.seed);
    try {
      await this.#current.file.writeDurably(this.#position, buffers);
    } catch (error) {
      this.#fail(error, 'closing the log');
    }
  }

  #fail(error: unknown, doing: string): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#options.onFailed(error instanceof InvariantViolation ? error : toStorageError(error, doing));
  }
}
