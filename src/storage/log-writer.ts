/** Puts units on the disk: one outstanding write, what arrives meanwhile goes out together as the next. */
import { InvariantViolation } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { HardState, LogBase, LogPosition, WriteUnit } from '../raft/types.ts';
import { toStorageError } from './errors.ts';
import type { ReplayStart } from './log-head.ts';
import type { LogStart } from './log-start.ts';
import type { Preallocation } from './preallocation.ts';
import type { SegmentFile } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { reserveBytes, UNIT_OVERHEAD_BYTES } from './segmented-log-options.ts';
import { UNIT_HEADER_BYTES, type UnitPlace } from './unit-format.ts';
import { encodeBatch, maxBytesOnDisk, type PlacedUnit, planBatch, type WriteBatch } from './write-batch.ts';

/** Of 128 bytes each, in a write of their own. */
const SEAL_UNITS = 5;

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
  readonly sealed: boolean;
  readonly clock: Clock;
  readonly sealAfterMs: number;
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
  #sealed: boolean;
  #sealTimer: Timer | undefined;
  #stopped = false;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#position = options.position;
    this.#sequence = options.sequence;
    this.#hardState = options.hardState;
    this.#last = options.last;
    this.#sealed = options.sealed;
    this.#sealLater();
  }

  /** Where the next unit goes. */
  get end(): UnitPlace {
    return { segment: this.#current.number, position: this.#position };
  }

  add(unit: WriteUnit): void {
    if (unit.reset !== undefined) this.#forgetQueued();
    this.#queue.push(unit);
    this.#queuedBytes += maxBytesOnDisk(unit);
    this.#sealTimer?.cancel();
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
    this.#sealTimer?.cancel();
  }

  async close(): Promise<void> {
    this.#sealTimer?.cancel();
    await this.#writing;
    if (this.#queue.length === 0) await this.#seal(true);
    this.stop();
    await this.#current.file.close();
  }

  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#stopped) {
        const [first] = this.#queue as [WriteUnit];
        const batch = planBatch(this.#queue, this.#last, this.#current.segmentBytes - this.#position);
        if (first.reset !== undefined) await this.#reset(first, first.reset);
        else if (batch.taken > 0) await this.#writeBatch(batch);
        else if (!(await this.#nextSegment(maxBytesOnDisk(first))) && this.#queue[0]?.reset === undefined) break;
      }
    } catch (error) {
      this.#fail(error, 'writing the log');
    }
    this.#writing = undefined;
    this.#sealLater();
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
    const here: ReplayStart = { ...this.#startHere(), lastIndex: reset.index, lastTerm: reset.term, hardState };
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
  async #nextSegment(bytes: number): Promise<boolean> {
    const next = await this.#options.preallocation.take(bytes);
    if (next === undefined || this.#stopped) return false;
    const { file } = this.#current;
    this.#current = next;
    this.#position = SEGMENT_HEADER_BYTES;
    const { number, path, segmentBytes } = next;
    this.#options.start.use({ number, path, segmentBytes, start: this.#startHere() });
    await file.close();
    return true;
  }

  #startHere(): ReplayStart {
    return {
      segment: this.#current.number,
      position: this.#position,
      sequence: this.#sequence,
      lastIndex: this.#last.index,
      lastTerm: this.#last.term,
      hardState: this.#hardState,
    };
  }

  #sealLater(): void {
    if (this.#sealed || this.#stopped) return;
    this.#sealTimer?.cancel();
    this.#sealTimer = this.#options.clock.after(this.#options.sealAfterMs, () => {
      if (this.#writing !== undefined || this.#stopped) return;
      this.#writing = this.#seal(false).then(() => this.#writeQueue());
    });
  }

  /**
   * Empty units that say that the last write was durable: rot in it is told from a torn tail from now on. As many as reach into the next
   * sector, so that one lost sector does not take the end of the write and all that vouches for it.
   */
  async #seal(waits: boolean): Promise<void> {
    const bytes = SEAL_UNITS * UNIT_HEADER_BYTES;
    try {
      if (this.#stopped || this.#sealed) return;
      if (this.#position + bytes > this.#current.segmentBytes && !(await this.#segmentToSeal(bytes, waits))) return;
      const unit = { hardState: this.#hardState, firstIndex: this.#last.index + 1, entries: [], payloadBytes: 0, last: this.#last };
      const units = Array.from({ length: SEAL_UNITS }, () => unit);
      const { buffers, endPosition } = encodeBatch(units, this.end, this.#sequence, this.#options.seed);
      await this.#current.file.writeDurably(this.#position, buffers);
      this.#position = endPosition;
      this.#sequence += SEAL_UNITS;
      this.#sealed = true;
    } catch (error) {
      this.#fail(error, 'sealing the log');
    }
  }

  /** A segment that is being made is waited for at the end alone: an idle log tries again later. */
  async #segmentToSeal(bytes: number, waits: boolean): Promise<boolean> {
    const { full, readyBytes } = this.#options.preallocation;
    return (readyBytes >= bytes || (waits && !full)) && (await this.#nextSegment(bytes));
  }

  #fail(error: unknown, doing: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onFailed(error instanceof InvariantViolation ? error : toStorageError(error, doing));
  }
}
