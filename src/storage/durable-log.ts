/** An open log: what it is in memory, its writer, its readers, and its beginning. */
import { assert } from '../base/assert.ts';
import type { Entry, LogBase, LogIndex, LogPosition, RestoredLog, WriteUnit } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { damagedEntry, StorageError, toStorageError, trimmed } from './errors.ts';
import { LogReader, planRead, type ReadPlan } from './log-reader.ts';
import { LogStart, type UsedSegment } from './log-start.ts';
import { LogView } from './log-view.ts';
import { LogWriter } from './log-writer.ts';
import { Preallocation } from './preallocation.ts';
import type { LogRecovery, RaftLog, RaftLogEvents } from './raft-log.ts';
import type { RecoveredLog } from './recovered-log.ts';
import { mismatch, writePayload } from './repair-entry.ts';
import { Scrubber } from './scrubber.ts';
import { logSeed } from './segment-header.ts';
import type { CheckedOptions } from './segmented-log-options.ts';
import type { UnitPlace } from './unit-format.ts';
import type { PlacedUnit } from './write-batch.ts';

const NOT_AS_WRITTEN = 'its payload is no longer what was written';

export interface OpenedLog {
  readonly disk: Disk;
  readonly directory: string;
  readonly options: CheckedOptions;
  readonly events: RaftLogEvents;
  readonly recovered: RecoveredLog;
}

export class DurableLog implements RaftLog {
  readonly restored: RestoredLog;
  readonly recovery: LogRecovery;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #options: CheckedOptions;
  readonly #events: RaftLogEvents;
  readonly #view: LogView;
  readonly #reader: LogReader;
  readonly #preallocation: Preallocation;
  readonly #start: LogStart;
  readonly #writer: LogWriter;
  readonly #scrubber: Scrubber;
  #toldStructure = false;
  /** One at a time; and what they write is written before the log is closed. */
  #repairing: Promise<unknown> = Promise.resolve();
  #failed = false;
  #closed = false;

  constructor({ disk, directory, options, events, recovered }: OpenedLog) {
    const { head, current, position, sequence, sealed, terms, index, restored, ready, used } = recovered;
    this.#disk = disk;
    this.#directory = directory;
    this.#options = options;
    this.#events = events;
    this.restored = restored;
    this.recovery = recovered.recovery;
    this.#view = new LogView(head.base, terms, index, recovered.damaged, options.cacheBytes);
    this.#reader = new LogReader(disk, directory);
    const onFailed = (error: Error): void => this.#fail(error);
    const { segmentBytes, maxLogBytes, preallocatedSegments: count, clock, sealAfterMs } = options;
    const seed = logSeed(head.logId);
    const settings = { disk, directory, logId: head.logId, segmentBytes, count, maxLogBytes, clock, onFailed };
    this.#preallocation = new Preallocation(settings, current.number + ready.length + 1, totalBytes([...used, ...ready]), ready);
    this.#start = new LogStart({ disk, directory, head, used, onRemoved: (segment) => this.#removed(segment) });
    this.#writer = new LogWriter({
      seed,
      preallocation: this.#preallocation,
      start: this.#start,
      current,
      position,
      sequence,
      hardState: restored.hardState,
      last: terms.last,
      sealed,
      clock,
      sealAfterMs,
      onPlaced: (segment, placed, queued) => this.#enterPositions(segment, placed, queued),
      onWritten: (unit) => this.#events.onWritten(unit.sequence, unit.hardState.term),
      onFailed,
    });
    this.#scrubber = new Scrubber({
      disk,
      clock,
      seed,
      bytesPerSecond: options.scrubBytesPerSecond,
      firstPassAfterMs: options.scrubFirstAfterMs,
      pauseMs: options.scrubPauseMs,
      used: () => this.#start.used,
      end: () => this.#writer.end,
      onDamagedPayload: (damagedIndex, place) => this.#payloadDamaged(damagedIndex, place),
      onDamagedStructure: (what) => this.#structureDamaged(what),
      onFailed: (error) => this.#fail(toStorageError(error, 'scrubbing the log')),
    });
    this.#preallocation.start();
    this.#scrubber.start();
  }

  get base(): LogBase {
    return this.#view.base;
  }

  get firstIndex(): LogIndex {
    return (this.#view.base.index + 1) as LogIndex;
  }

  get lastIndex(): LogIndex {
    return this.#view.lastIndex;
  }

  write(unit: WriteUnit): void {
    assert(!this.#closed, 'a closed log takes nothing');
    if (this.#failed) return;
    this.#view.apply(unit, this.#options.maxEntryBytes);
    this.#writer.add(unit);
  }

  read(first: LogIndex, last: LogIndex, maxBytes: number): readonly Entry[] | Promise<readonly Entry[]> {
    assert(!this.#closed, 'a closed log is not read');
    assert(first >= 1 && first <= last && last <= this.lastIndex, `no entries ${first} to ${last} in a log of ${this.lastIndex}`);
    const { base, cache, index, terms } = this.#view;
    if (first <= base.index) return Promise.reject(trimmed(first, base.index));
    const cachedFrom = cache.firstIndex;
    if (first >= cachedFrom) return cache.read(first, last, maxBytes);
    const bad = this.#view.damaged.firstIn(first, Math.min(last, cachedFrom - 1));
    if (bad === first) return Promise.reject(damagedEntry(first, NOT_AS_WRITTEN));
    const to = bad === undefined ? last : ((bad - 1) as LogIndex);
    const plan = planRead(index, terms, first, Math.min(to, cachedFrom - 1) as LogIndex, maxBytes);
    // What is cached now is taken now: it belongs to the same log as the plan, whatever is truncated meanwhile.
    const bytes = plan.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
    const cached = this.#view.cachedAfter({ length: plan.length, bytes }, first, to, maxBytes);
    return this.#readStored(plan).then((stored) => (stored.length === plan.length ? [...stored, ...cached] : stored));
  }

  async trim(base: LogBase): Promise<void> {
    assert(!this.#closed, 'a closed log is not trimmed');
    if (this.#failed) throw failedBefore();
    const later = base.index > this.#view.base.index;
    if (later) this.#view.trim(base);
    try {
      // An older one waits for what the newer one has under way.
      await (later ? this.#start.trim(base) : this.#start.removeDropped());
    } catch (error) {
      const failure = toStorageError(error, 'trimming the log');
      this.#fail(failure);
      throw failure;
    }
    if (this.#failed) throw failedBefore();
  }

  damaged(): readonly LogPosition[] {
    const { damaged, terms } = this.#view;
    return damaged.indexes.map((index) => ({ index: index as LogIndex, term: terms.termAt(index) }));
  }

  repair(entry: Entry): Promise<void> {
    assert(!this.#closed, 'a closed log is not repaired');
    const repairing = this.#repairing.then(() => this.#repair(entry));
    this.#repairing = repairing.catch(() => {});
    return repairing;
  }

  hasRoomFor(bytes: number): boolean {
    return !this.#failed && this.#writer.hasRoomFor(bytes);
  }

  async close(): Promise<void> {
    assert(!this.#closed, 'a log is closed once');
    this.#closed = true;
    // A write that waits for a full disk would wait for ever: it was never acknowledged, so it is given up.
    this.#preallocation.giveUpWhenFull();
    await this.#scrubber.stop();
    await this.#repairing;
    await this.#writer.close();
    await this.#start.stop();
    await this.#preallocation.stop();
    await this.#reader.close();
  }

  async #readStored(plan: ReadPlan): Promise<readonly Entry[]> {
    const { resets } = this.#view;
    const first = (plan[0]?.index ?? 0) as LogIndex;
    try {
      const { entries, damaged } = await this.#reader.execute(plan);
      if (damaged === undefined) return entries;
      if (this.#view.liesAt(damaged.index, damaged)) this.#entryDamaged(damaged.index);
      if (entries.length > 0) return entries;
    } catch (error) {
      // Its segment may be gone by now.
      if (!this.#isDropped(first, resets)) {
        const failure = toStorageError(error, 'reading the log');
        this.#fail(failure);
        throw failure;
      }
    }
    throw this.#isDropped(first, resets) ? trimmed(first, this.#view.base.index) : damagedEntry(first, NOT_AS_WRITTEN);
  }

  #isDropped(index: number, resets: number): boolean {
    return index <= this.#view.base.index || this.#view.resets !== resets;
  }

  async #repair(entry: Entry): Promise<void> {
    const { damaged, index, terms, resets } = this.#view;
    if (!damaged.has(entry.index)) return;
    const place = index.get(entry.index);
    const error = mismatch(entry, terms.termAt(entry.index), place);
    if (error !== undefined) throw error;
    try {
      await writePayload(this.#disk, this.#directory, entry, place);
    } catch (cause) {
      if (this.#isDropped(entry.index, resets)) return;
      const failure = toStorageError(cause, `repairing entry ${entry.index}`);
      this.#fail(failure);
      throw failure;
    }
    if (this.#view.liesAt(entry.index, place)) damaged.remove(entry.index);
  }

  #payloadDamaged(index: number, place: UnitPlace): void {
    if (this.#view.liesAt(index, place)) this.#entryDamaged(index as LogIndex);
  }

  #entryDamaged(index: LogIndex): void {
    if (this.#view.damaged.has(index) || this.#failed || this.#closed) return;
    this.#view.damaged.add(index);
    this.#events.onDamaged?.(index, NOT_AS_WRITTEN);
  }

  #structureDamaged(what: string): void {
    if (this.#toldStructure || this.#failed || this.#closed) return;
    this.#toldStructure = true;
    this.#events.onDamagedStructure?.(what);
  }

  /** What a later unit replaces, of this write or still queued, must not be found on the disk any more: `write` dropped it. */
  #enterPositions(segment: number, placed: readonly PlacedUnit[], queued: readonly WriteUnit[]): void {
    const { index, cache } = this.#view;
    // All of it is dropped already.
    if (queued.some(({ reset }) => reset !== undefined)) return;
    let limit = queued.reduce((least, { truncateFrom }) => Math.min(least, (truncateFrom ?? Infinity) - 1), Infinity);
    const limits = placed.map(() => 0);
    for (let at = placed.length - 1; at >= 0; at--) {
      limits[at] = limit;
      limit = Math.min(limit, (placed[at] as PlacedUnit).unit.firstIndex - 1);
    }
    for (const [at, { unit, position, table }] of placed.entries()) {
      index.addUnit(segment, position, unit.firstIndex, table, limits[at] as number);
    }
    cache.shrink(index.lastIndex);
  }

  #removed(segment: UsedSegment): void {
    this.#preallocation.freed(segment.segmentBytes);
    this.#reader.forgetBefore(segment.number + 1).catch((error) => this.#fail(toStorageError(error, 'closing a removed segment')));
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#writer.stop();
    void this.#start.stop();
    void this.#preallocation.stop();
    void this.#scrubber.stop();
    this.#events.onFailed(error);
  }
}

function totalBytes(segments: readonly { readonly segmentBytes: number }[]): number {
  return segments.reduce((sum, { segmentBytes }) => sum + segmentBytes, 0);
}

function failedBefore(): StorageError {
  return new StorageError('IO', 'the log failed before: nothing was dropped. Start again: recovery finds what is whole.');
}
