/** The log on the disk: segments of units, one outstanding write, what arrives meanwhile goes out together as the next. */
import { randomBytes } from 'node:crypto';
import { assert, InvariantViolation } from '../base/assert.ts';
import type { Entry, HardState, LogIndex, RestoredLog, Term, WriteUnit } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { EntryCache } from './entry-cache.ts';
import type { EntryIndex } from './entry-index.ts';
import { toStorageError } from './errors.ts';
import { LogReader, planRead } from './log-reader.ts';
import { makeSegment } from './make-segment.ts';
import { Preallocation } from './preallocation.ts';
import type { RaftLog, RaftLogEvents } from './raft-log.ts';
import { type RecoveredLog, recoverLog } from './recovery.ts';
import { listSegments, type SegmentFile, type SegmentList } from './segment-files.ts';
import { logSeed, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import {
  type CheckedOptions,
  checkOptions,
  reserveBytes,
  type SegmentedLogOptions,
  UNIT_OVERHEAD_BYTES,
} from './segmented-log-options.ts';
import type { TermRuns } from './term-runs.ts';
import { UNIT_HEADER_BYTES } from './unit-format.ts';
import { encodeBatch, maxBytesOnDisk, type PlacedUnit, planBatch, type WriteBatch } from './write-batch.ts';

export type { SegmentedLogOptions } from './segmented-log-options.ts';

/**
 * Opens the log in `directory`, or makes one. What it restores is durable. Rejects with a `StorageError` and changes nothing when what it
 * finds is damaged, from a newer version, or cannot be read.
 *
 *     const log = await openSegmentedLog(nodeDisk, '/var/lib/lograft/log', { cacheBytes: 16 * 1024 * 1024 }, events);
 */
export async function openSegmentedLog(
  disk: Disk,
  directory: string,
  options: SegmentedLogOptions,
  events: RaftLogEvents,
): Promise<RaftLog> {
  const checked = checkOptions(options);
  try {
    await disk.makeDirectory(directory);
    const list = (await listSegments(disk, directory)) ?? (await createLog(disk, directory, checked.segmentBytes));
    const recovered = await recoverLog(disk, list);
    const logBytes = list.segments.reduce((sum, { segmentBytes }) => sum + segmentBytes, 0);
    return new SegmentedLog({
      disk,
      directory,
      options: checked,
      events,
      recovered,
      logId: list.logId,
      logBytes,
      count: list.segments.length,
    });
  } catch (error) {
    throw toStorageError(error, `opening the log in ${directory}`);
  }
}

/** The first segment, so that an open log can be written to whatever else fills the disk. */
async function createLog(disk: Disk, directory: string, segmentBytes: number): Promise<SegmentList> {
  const header = { number: 1, segmentBytes, logId: randomBytes(16) };
  const made = await makeSegment(disk, directory, header, () => Promise.resolve(true));
  assert(made !== undefined, 'nobody stops the first segment');
  await made.file.close();
  return { logId: header.logId, segments: [made] };
}

interface Opened {
  readonly disk: Disk;
  readonly directory: string;
  readonly options: CheckedOptions;
  readonly events: RaftLogEvents;
  readonly recovered: RecoveredLog;
  readonly logId: Buffer;
  readonly logBytes: number;
  /** Segments that exist. */
  readonly count: number;
}

class SegmentedLog implements RaftLog {
  readonly restored: RestoredLog;
  readonly #options: CheckedOptions;
  readonly #events: RaftLogEvents;
  readonly #seed: number;
  readonly #index: EntryIndex;
  readonly #terms: TermRuns;
  readonly #cache: EntryCache;
  readonly #reader: LogReader;
  readonly #preallocation: Preallocation;
  #current: SegmentFile;
  #position: number;
  /** Of the newest unit on the disk, durable. Units are numbered on over restarts, unlike the core's write sequences. */
  #sequence: number;
  #hardState: HardState;
  /** Last index when all units that were placed are replayed; `lastIndex` is ahead by the queued ones. */
  #placedLastIndex: number;
  #queue: WriteUnit[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #sealed = true;
  #failed = false;
  #closed = false;

  constructor(opened: Opened) {
    const { recovered, options, events } = opened;
    this.#options = options;
    this.#events = events;
    this.#seed = logSeed(opened.logId);
    this.#index = recovered.index;
    this.#terms = recovered.terms;
    this.#hardState = recovered.hardState;
    this.#sequence = recovered.sequence;
    this.#current = recovered.current;
    this.#position = recovered.position;
    this.#placedLastIndex = recovered.terms.lastIndex;
    this.#cache = new EntryCache(options.cacheBytes, this.#placedLastIndex);
    this.#reader = new LogReader(opened.disk, opened.directory);
    const base = { index: 0 as LogIndex, term: 0 as Term, configuration: undefined };
    const { hardState } = recovered;
    this.restored = {
      hardState,
      base,
      lastIndex: this.lastIndex,
      termRuns: this.#terms.runs,
      configurations: [],
      floor: undefined,
    };
    const { segmentBytes, maxLogBytes, preallocatedSegments, clock } = options;
    const { disk, directory, logId } = opened;
    const onFailed = (error: Error): void => this.#fail(error);
    const settings = { disk, directory, logId, segmentBytes, count: preallocatedSegments, maxLogBytes, clock, onFailed };
    this.#preallocation = new Preallocation(settings, opened.count + 1, opened.logBytes, recovered.ready);
    this.#preallocation.start();
  }

  get lastIndex(): LogIndex {
    return this.#terms.lastIndex as LogIndex;
  }

  write(unit: WriteUnit): void {
    assert(!this.#closed, 'a closed log takes nothing');
    if (this.#failed) return;
    this.#check(unit);
    const { truncateFrom, entries } = unit;
    if (truncateFrom !== undefined) {
      this.#terms.truncate(truncateFrom);
      this.#cache.truncate(truncateFrom);
      this.#index.truncate(truncateFrom);
    }
    for (const entry of entries) {
      this.#terms.append(entry.term);
      this.#cache.append(entry);
    }
    this.#queue.push(unit);
    this.#queuedBytes += maxBytesOnDisk(unit);
    this.#writing ??= this.#writeQueue();
  }

  read(first: LogIndex, last: LogIndex, maxBytes: number): readonly Entry[] | Promise<readonly Entry[]> {
    assert(!this.#closed, 'a closed log is not read');
    assert(first >= 1 && first <= last && last <= this.lastIndex, `no entries ${first} to ${last} in a log of ${this.lastIndex}`);
    const cachedFrom = this.#cache.firstIndex;
    if (first >= cachedFrom) return this.#cache.read(first, last, maxBytes);
    const plan = planRead(this.#index, this.#terms, first, Math.min(last, cachedFrom - 1) as LogIndex, maxBytes);
    // What is cached now is taken now: it belongs to the same log as the plan, whatever is truncated meanwhile.
    const left = plan.reduce((rest, { payloadBytes }) => rest - payloadBytes, maxBytes);
    const stopped = plan.length < cachedFrom - first || last < cachedFrom;
    const cached = stopped ? [] : this.#cache.read(cachedFrom, last, left);
    // The cache never returns nothing; here there is something already.
    const cachedFits = cached.length !== 1 || (cached[0] as Entry).payload.byteLength <= left;
    return this.#readStored(plan).then((stored) => (cachedFits ? [...stored, ...cached] : stored));
  }

  hasRoomFor(bytes: number): boolean {
    if (this.#failed || !this.#preallocation.full) return !this.#failed;
    const { readyBytes } = this.#preallocation;
    const room = readyBytes > 0 ? readyBytes : this.#current.segmentBytes - this.#position;
    return bytes + UNIT_OVERHEAD_BYTES + this.#queuedBytes + reserveBytes(this.#current.segmentBytes) <= room;
  }

  async close(): Promise<void> {
    assert(!this.#closed, 'a log is closed once');
    this.#closed = true;
    // A write that waits for a full disk would wait for ever: it was never acknowledged, so it is given up.
    this.#preallocation.giveUpWhenFull();
    await this.#writing;
    await this.#seal();
    await this.#preallocation.stop();
    await this.#reader.close();
    await this.#current.file.close();
  }

  #check({ reset, truncateFrom, entries }: WriteUnit): void {
    assert(reset === undefined, 'a log that begins anew is not written yet');
    const first = entries[0];
    assert(truncateFrom === undefined || truncateFrom === first?.index, 'a truncation begins with the entry that replaces');
    assert(truncateFrom === undefined || truncateFrom <= this.lastIndex + 1, 'only what exists is truncated');
    let expected = truncateFrom ?? this.lastIndex + 1;
    for (const { index, payload } of entries) {
      assert(index === expected, `entry ${index} where ${expected} belongs`);
      assert(
        payload.byteLength <= this.#options.maxEntryBytes,
        `entry ${index} of ${payload.byteLength} bytes is above maxEntryBytes`,
      );
      expected += 1;
    }
  }

  async #readStored(plan: ReturnType<typeof planRead>): Promise<readonly Entry[]> {
    try {
      return await this.#reader.execute(plan);
    } catch (error) {
      const failure = toStorageError(error, 'reading the log');
      this.#fail(failure);
      throw failure;
    }
  }

  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#failed) {
        const batch = planBatch(this.#queue, this.#placedLastIndex, this.#current.segmentBytes - this.#position);
        if (batch.taken > 0) await this.#writeBatch(batch);
        else if (!(await this.#nextSegment())) break;
      }
    } catch (error) {
      this.#fail(error instanceof InvariantViolation ? error : toStorageError(error, 'writing the log'));
    }
    this.#writing = undefined;
  }

  async #writeBatch(batch: WriteBatch): Promise<void> {
    const taken = this.#queue.splice(0, batch.taken);
    const { number: segment, file } = this.#current;
    const encoded = encodeBatch(batch.units, { segment, position: this.#position }, this.#sequence, this.#seed);
    await file.writeDurably(this.#position, encoded.buffers);
    if (this.#failed) return;
    this.#position = encoded.endPosition;
    this.#sequence += batch.units.length;
    this.#placedLastIndex = batch.lastIndex;
    this.#sealed = false;
    this.#enterPositions(encoded.placed);
    for (const unit of taken) this.#queuedBytes -= maxBytesOnDisk(unit);
    const last = taken.at(-1) as WriteUnit;
    this.#hardState = last.hardState;
    this.#events.onWritten(last.sequence, last.hardState.term);
  }

  /** What a later unit replaces, of this write or still queued, must not be found on the disk any more: `write` dropped it. */
  #enterPositions(placed: readonly PlacedUnit[]): void {
    let limit = this.#queue.reduce((least, { truncateFrom }) => Math.min(least, (truncateFrom ?? Infinity) - 1), Infinity);
    const limits = placed.map(() => 0);
    for (let at = placed.length - 1; at >= 0; at--) {
      limits[at] = limit;
      limit = Math.min(limit, (placed[at] as PlacedUnit).unit.firstIndex - 1);
    }
    for (const [at, { unit, position, table }] of placed.entries()) {
      this.#index.addUnit(this.#current.number, position, unit.firstIndex, table, limits[at] as number);
    }
    this.#cache.shrink(this.#index.lastIndex);
  }

  /** False when the log is closed before there is one. */
  async #nextSegment(): Promise<boolean> {
    const next = await this.#preallocation.take(maxBytesOnDisk(this.#queue[0] as WriteUnit));
    if (next === undefined || this.#failed) return false;
    const { file } = this.#current;
    this.#current = next;
    this.#position = SEGMENT_HEADER_BYTES;
    await file.close();
    return true;
  }

  /** An empty unit that says that the last write was durable: rot in it is told from a torn tail from now on. */
  async #seal(): Promise<void> {
    if (this.#failed || this.#sealed || this.#queue.length > 0 || this.#position + UNIT_HEADER_BYTES > this.#current.segmentBytes)
      return;
    const unit = { hardState: this.#hardState, firstIndex: this.#placedLastIndex + 1, entries: [], payloadBytes: 0 };
    const place = { segment: this.#current.number, position: this.#position };
    const { buffers } = encodeBatch([unit], place, this.#sequence, this.#seed);
    try {
      await this.#current.file.writeDurably(this.#position, buffers);
    } catch (error) {
      this.#fail(toStorageError(error, 'closing the log'));
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    void this.#preallocation.stop();
    this.#events.onFailed(error);
  }
}
