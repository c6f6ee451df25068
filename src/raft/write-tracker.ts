/** Which writes are on their way to the disk, and what of the log is there already. */
import { assert } from '../base/assert.ts';
import type { Entry, HardState, LogBase, LogIndex, Term, WriteSequence, WriteUnit } from './types.ts';

/** For a message that needs nothing further to be durable. */
export const NOTHING_TO_WAIT_FOR = 0 as WriteSequence;

interface PendingUnit {
  readonly sequence: WriteSequence;
  hardState: HardState;
  reset: LogBase | undefined;
  truncateFrom: LogIndex | undefined;
  entries: readonly Entry[];
  /** Last entry of today's log that is durable once this unit is: a later truncation lowers it. */
  lastIndex: LogIndex;
}

/**
 * Collects the one write unit of a step and follows all units until they are durable.
 *
 * The race this guards against (etcd's "ABA"): entries 5 and 6 of term 1 are being written when a leader of term 2 replaces 5. When the
 * first write completes, the disk holds entries 5 and 6 of a log that exists no more; to take them for the new ones would attest what
 * no disk has. So a truncation lowers `lastIndex` of every unit before it, and a completion counts only what is left.
 *
 * Invariant: `durableIndex <= lastIndex` of every pending unit, ascending.
 */
export class WriteTracker {
  readonly #pending: PendingUnit[] = [];
  #sealed = true;
  #lastSequence = 0 as WriteSequence;
  #durableSequence = 0 as WriteSequence;
  #hardStateSequence = 0 as WriteSequence;
  #durableIndex: LogIndex;

  constructor(durableIndex: LogIndex) {
    this.#durableIndex = durableIndex;
  }

  /** The log, as it is now, is durable up to here. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** The unit that makes the present term and vote durable; {@link NOTHING_TO_WAIT_FOR} when they are. */
  get hardStateSequence(): WriteSequence {
    return this.isDurable(this.#hardStateSequence) ? NOTHING_TO_WAIT_FOR : this.#hardStateSequence;
  }

  isDurable(sequence: WriteSequence): boolean {
    return sequence <= this.#durableSequence;
  }

  stageHardState(hardState: HardState, lastIndex: LogIndex): void {
    const unit = this.#staged(hardState, lastIndex);
    this.#hardStateSequence = unit.sequence;
  }

  /** Entries that follow the log's end, or replace it from `truncateFrom`. At most once a step. */
  stageEntries(hardState: HardState, entries: readonly Entry[], truncateFrom: LogIndex | undefined): void {
    const first = entries[0];
    const last = entries.at(-1);
    assert(first !== undefined && last !== undefined, 'entries are staged only when there are any');
    assert(truncateFrom === undefined || truncateFrom === first.index, 'a truncation is followed by what replaces it');
    if (truncateFrom !== undefined) this.#discardFrom(truncateFrom);
    const unit = this.#staged(hardState, last.index);
    assert(unit.entries.length === 0 && unit.reset === undefined, 'one step changes the log once');
    unit.entries = entries;
    unit.truncateFrom = truncateFrom;
  }

  /** The log begins anew after `base`: nothing of it is durable before this unit is. At most once a step, and nothing else of the log then. */
  stageReset(hardState: HardState, base: LogBase): void {
    this.#discardFrom(1 as LogIndex);
    const unit = this.#staged(hardState, base.index);
    assert(unit.entries.length === 0 && unit.reset === undefined, 'one step changes the log once');
    unit.reset = base;
  }

  /** Ends the step; returns its unit, if it wrote anything. */
  seal(hardState: HardState): WriteUnit | undefined {
    if (this.#sealed) return undefined;
    this.#sealed = true;
    const unit = this.#pending.at(-1);
    assert(unit !== undefined && unit.sequence === this.#lastSequence, 'the staged unit is the last one');
    unit.hardState = hardState;
    const { sequence, reset, truncateFrom, entries } = unit;
    // The queue keeps no payload: entries are the caller's from here on.
    unit.entries = [];
    return { sequence, hardState, reset, truncateFrom, entries };
  }

  /** Notes a completion. False when it is not of this tracker's present units: late, repeated, or of a former life. */
  complete(sequence: WriteSequence, term: Term): boolean {
    assert(this.#sealed, 'a completion arrives between steps');
    assert(sequence <= this.#lastSequence, `write unit ${sequence} was never issued`);
    const position = this.#pending.findIndex((unit) => unit.sequence === sequence);
    const unit = this.#pending[position];
    if (unit === undefined || unit.hardState.term !== term) return false;
    assert(unit.lastIndex >= this.#durableIndex, 'a completed write never takes entries away');
    this.#pending.splice(0, position + 1);
    this.#durableSequence = sequence;
    this.#durableIndex = unit.lastIndex;
    return true;
  }

  /** The unit whose durability makes the log durable up to `index`, and with it the present term and vote. */
  sequenceCovering(index: LogIndex): WriteSequence {
    const hardState = this.hardStateSequence;
    if (index <= this.#durableIndex) return hardState;
    // From the end, because what was just received is what is usually asked about.
    let position = this.#pending.length;
    while ((this.#pending[position - 1]?.lastIndex ?? 0) >= index) position -= 1;
    const unit = this.#pending[position];
    assert(unit !== undefined, `entry ${index} is neither durable nor being written`);
    return Math.max(unit.sequence, hardState) as WriteSequence;
  }

  #staged(hardState: HardState, lastIndex: LogIndex): PendingUnit {
    const previous = this.#pending.at(-1);
    if (!this.#sealed && previous !== undefined) {
      assert(lastIndex >= previous.lastIndex, 'within a step the log only grows');
      previous.lastIndex = lastIndex;
      return previous;
    }
    this.#sealed = false;
    this.#lastSequence = (this.#lastSequence + 1) as WriteSequence;
    const unit = { sequence: this.#lastSequence, hardState, reset: undefined, truncateFrom: undefined, entries: [], lastIndex };
    this.#pending.push(unit);
    return unit;
  }

  #discardFrom(index: LogIndex): void {
    const last = (index - 1) as LogIndex;
    for (const unit of this.#pending) if (unit.lastIndex > last) unit.lastIndex = last;
    if (this.#durableIndex > last) this.#durableIndex = last;
  }
}
