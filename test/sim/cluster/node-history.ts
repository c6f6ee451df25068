/** What one node has written, made durable, committed and applied, over all runs of its process: seen from outside, at its log. */
import { crc32c } from '@node-rs/crc32';
import { assert } from '../../../src/base/assert.ts';
import type { Role } from '../../../src/raft/effects.ts';
import type { Entry, HardState, LogIndex, NodeId, RestoredLog, Term, WriteUnit } from '../../../src/raft/types.ts';

/** An entry without its payload. */
export interface EntryPrint {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: number;
  readonly crc: number;
}

/** The log and hard state at one moment. Entries lie at their index; nothing lies at 0. */
export interface LogImage {
  hardState: HardState;
  readonly entries: EntryPrint[];
}

export class NodeHistory {
  readonly id: NodeId;
  /** With everything the log has taken, durable or not. */
  readonly memory: LogImage = emptyImage();
  /** With what the log has called durable, and nothing else. */
  readonly durable: LogImage = emptyImage();
  /** Taken, not yet called durable. */
  pending: WriteUnit[] = [];
  running = false;
  role: Role = 'follower';
  term = 0 as Term;
  /** Of this run of the process. */
  commitIndex = 0 as LogIndex;
  appliedIndex = 0 as LogIndex;

  constructor(id: NodeId) {
    this.id = id;
  }

  get lastIndex(): number {
    return this.memory.entries.length - 1;
  }

  /** Of the log in memory. */
  entry(index: number): EntryPrint | undefined {
    return this.memory.entries[index];
  }

  take(unit: WriteUnit): void {
    this.pending.push(unit);
    applyUnit(this.memory, unit);
  }

  written(sequence: number): void {
    while (this.pending[0] !== undefined && this.pending[0].sequence <= sequence) {
      applyUnit(this.durable, this.pending.shift() as WriteUnit);
    }
  }

  /** The process is gone. */
  ended(): void {
    this.running = false;
    this.role = 'follower';
  }

  /**
   * A new process found this on the disk. Returns false when it is not what the last one left: all that was called durable, and of what
   * was on its way some first units, whole.
   */
  opened(restored: RestoredLog): boolean {
    assert(!this.running, 'one process at a time');
    const images: LogImage[] = [copyImage(this.durable)];
    for (const unit of this.pending) {
      const next = copyImage(images.at(-1) as LogImage);
      applyUnit(next, unit);
      images.push(next);
    }
    const found = images.findLast((image) => equals(image, restored));
    if (found === undefined) return false;
    this.pending = [];
    setImage(this.memory, found);
    setImage(this.durable, found);
    this.running = true;
    this.role = 'follower';
    this.term = restored.hardState.term;
    this.commitIndex = 0 as LogIndex;
    this.appliedIndex = 0 as LogIndex;
    return true;
  }
}

export function printOf(entry: Entry): EntryPrint {
  return { index: entry.index, term: entry.term, kind: entry.kind, crc: crc32c(entry.payload) };
}

const NOTHING: EntryPrint = { index: 0 as LogIndex, term: 0 as Term, kind: 0, crc: 0 };

function emptyImage(): LogImage {
  return { hardState: { term: 0 as Term, vote: undefined }, entries: [NOTHING] };
}

function copyImage(image: LogImage): LogImage {
  return { hardState: image.hardState, entries: [...image.entries] };
}

function setImage(image: LogImage, to: LogImage): void {
  image.hardState = to.hardState;
  image.entries.length = 0;
  for (const entry of to.entries) image.entries.push(entry);
}

function applyUnit(image: LogImage, unit: WriteUnit): void {
  image.hardState = unit.hardState;
  if (unit.truncateFrom !== undefined) image.entries.length = unit.truncateFrom;
  for (const entry of unit.entries) {
    assert(image.entries.length === entry.index, `entry ${entry.index} where ${image.entries.length} belongs`);
    image.entries.push(printOf(entry));
  }
}

function equals(image: LogImage, restored: RestoredLog): boolean {
  const { hardState, lastIndex, termRuns } = restored;
  if (image.entries.length - 1 !== lastIndex) return false;
  if (image.hardState.term !== hardState.term || image.hardState.vote !== hardState.vote) return false;
  for (const [at, { term, firstIndex }] of termRuns.entries()) {
    const end = termRuns[at + 1]?.firstIndex ?? lastIndex + 1;
    for (let index = firstIndex as number; index < end; index += 1) if (image.entries[index]?.term !== term) return false;
  }
  return true;
}
