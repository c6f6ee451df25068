/** What one node has written, made durable, committed and applied, over all runs of its process: seen from outside, at its log. */
import { crc32c } from '@node-rs/crc32';
import { assert } from '../../../src/base/assert.ts';
import type { Configuration } from '../../../src/raft/configuration.ts';
import type { Role } from '../../../src/raft/effects.ts';
import { isBehind } from '../../../src/raft/log-position.ts';
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

/** What a snapshot stands for: all that was committed up to where it was made. */
export interface SnapshotContent {
  at(index: number): EntryPrint | undefined;
}

const NO_SNAPSHOTS: SnapshotContent = { at: () => undefined };

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
  /** Of the newest snapshot that took the place of its log in this run. */
  restoredIndex = 0 as LogIndex;

  /** In force as far as it has said. */
  configuration: Configuration | undefined;
  /** What a disk fault took, or went with the disk, at its index: the node promised it once. */
  #lost: readonly EntryPrint[] = [];
  /** Ends of the durable log that others took the place of, oldest first. */
  #replaced: { readonly from: number; readonly tail: readonly EntryPrint[] }[] = [];
  readonly #committed: SnapshotContent;

  constructor(id: NodeId, committed: SnapshotContent = NO_SNAPSHOTS) {
    this.id = id;
    this.#committed = committed;
  }

  /** Whether the node has this entry on its disk, or had it and still keeps its promise. */
  holds(index: number, term: number): boolean {
    return (this.durable.entries[index]?.term ?? this.#lost[index]?.term) === term;
  }

  /** Still lacks what it once had. */
  get isShort(): boolean {
    return this.#lost.length > this.durable.entries.length;
  }

  get lastIndex(): number {
    return this.memory.entries.length - 1;
  }

  /** Of the log in memory. */
  entry(index: number): EntryPrint | undefined {
    return this.memory.entries[index];
  }

  take(unit: WriteUnit): void {
    if (unit.reset !== undefined) this.restoredIndex = unit.reset.index;
    this.pending.push(unit);
    applyUnit(this.memory, unit, this.#committed);
  }

  written(sequence: number): void {
    while (this.pending[0] !== undefined && this.pending[0].sequence <= sequence) {
      const unit = this.pending.shift() as WriteUnit;
      const { truncateFrom } = unit;
      if (truncateFrom !== undefined) this.#replaced.push({ from: truncateFrom, tail: this.durable.entries.slice(truncateFrom) });
      applyUnit(this.durable, unit, this.#committed);
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
      applyUnit(next, unit, this.#committed);
      images.push(next);
    }
    const found = images.findLast((image) => equals(image, restored)) ?? this.#cut(images, restored);
    if (found === undefined) return false;
    this.pending = [];
    setImage(this.memory, found);
    setImage(this.durable, found);
    this.running = true;
    this.role = 'follower';
    this.term = restored.hardState.term;
    this.commitIndex = 0 as LogIndex;
    this.appliedIndex = 0 as LogIndex;
    this.restoredIndex = 0 as LogIndex;
    return true;
  }

  /**
   * The disk is a new one: nothing is left of what it held. What it acknowledged counts all the same, for a leader that heard it in time; the new disk
   * has all of that before its own word counts.
   */
  wiped(): void {
    setImage(this.memory, emptyImage());
    this.#lost = [...this.durable.entries];
    setImage(this.durable, emptyImage());
    this.#replaced = [];
    this.pending = [];
  }

  /** A disk fault took the end of the log, and the log says so: what is left is right, and what it says it lacks covers the rest. */
  #cut(images: readonly LogImage[], restored: RestoredLog): LogImage | undefined {
    const { floor, lastIndex, hardState } = restored;
    const whole = images[0] as LogImage;
    const last = whole.entries.at(-1) as EntryPrint;
    if (floor === undefined || isBehind(floor, last) || hardState.term < whole.hardState.term) return undefined;
    if (!images.some((image) => image.hardState.term === hardState.term && image.hardState.vote === hardState.vote))
      return undefined;
    // What was cut off may have been the very unit that replaced an end of the log: then the log is what it was before that.
    const once = [...this.#before(whole.entries), ...images.map(({ entries }) => entries)];
    const at = once.findLastIndex((entries) => equals({ hardState, entries: entries.slice(0, lastIndex + 1) }, restored));
    if (at === -1) return undefined;
    this.#replaced.length = Math.min(at, this.#replaced.length);
    this.#lost = [...whole.entries, ...this.#lost.slice(whole.entries.length)];
    return { hardState, entries: (once[at] as EntryPrint[]).slice(0, lastIndex + 1) };
  }

  /** The log as it was before each of its ends was replaced, oldest first. */
  #before(now: EntryPrint[]): EntryPrint[][] {
    let entries = now;
    const undone = this.#replaced.toReversed().map(({ from, tail }) => {
      entries = [...entries.slice(0, from), ...tail];
      return entries;
    });
    return undone.reverse();
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

function applyUnit(image: LogImage, unit: WriteUnit, committed: SnapshotContent): void {
  image.hardState = unit.hardState;
  if (unit.reset !== undefined) {
    image.entries.length = 1;
    for (let index = 1; index <= unit.reset.index; index += 1) image.entries.push(committed.at(index) as EntryPrint);
  }
  if (unit.truncateFrom !== undefined) image.entries.length = unit.truncateFrom;
  for (const entry of unit.entries) {
    assert(image.entries.length === entry.index, `entry ${entry.index} where ${image.entries.length} belongs`);
    image.entries.push(printOf(entry));
  }
}

function equals(image: LogImage, restored: RestoredLog): boolean {
  const { hardState, lastIndex, termRuns, base } = restored;
  if (image.entries[base.index]?.term !== base.term) return false;
  if (image.entries.length - 1 !== lastIndex) return false;
  if (image.hardState.term !== hardState.term || image.hardState.vote !== hardState.vote) return false;
  for (const [at, { term, firstIndex }] of termRuns.entries()) {
    const end = termRuns[at + 1]?.firstIndex ?? lastIndex + 1;
    for (let index = firstIndex as number; index < end; index += 1) if (image.entries[index]?.term !== term) return false;
  }
  return true;
}
