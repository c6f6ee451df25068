/** What a log comes to, unit by unit, from where it begins. */
import { type Entry, type HardState, KIND_CONFIGURATION, type LogIndex, type Term } from '../raft/types.ts';
import { EntryIndex } from './entry-index.ts';
import { newerHardState } from './hard-state.ts';
import type { LogHead, ReplayStart } from './log-head.ts';
import { TermRuns } from './term-runs.ts';
import { readRow, TABLE_ROW_BYTES, type UnitHeader, type UnitPlace, type UnitVerdict } from './unit-format.ts';

export class Replay {
  readonly index: EntryIndex;
  readonly terms: TermRuns;
  readonly #head: LogHead;
  #configurations: Entry[] = [];
  #damaged: number[] = [];
  #hardState: HardState;
  #sequence: number;
  /** Last entry of what was replayed; behind the base at first, when the log's first segment begins before it. */
  #lastIndex: number;
  #lastTerm: Term;
  /** Of the entry that has the base's index now. */
  #baseTerm: Term | undefined;
  #lastWrite: UnitPlace | undefined;
  #endsWithSeal = true;

  constructor(head: LogHead) {
    const { base, start } = head;
    this.#head = head;
    this.index = new EntryIndex(base.index);
    // Until the unit that holds the base's entry is replayed, entries of older terms may be there, which it replaces.
    this.terms = new TermRuns({ index: base.index, term: 0 as Term });
    this.#hardState = start.hardState;
    this.#sequence = start.sequence;
    this.#lastIndex = start.lastIndex;
    this.#lastTerm = start.lastTerm;
    this.#baseTerm = start.lastIndex === base.index ? start.lastTerm : undefined;
  }

  /** Of the last unit. */
  get sequence(): number {
    return this.#sequence;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  get configurations(): readonly Entry[] {
    return this.#configurations;
  }

  get damaged(): readonly number[] {
    return this.#damaged;
  }

  /** Where the write that holds the last unit began. Before it, everything is known to be durable. */
  get lastWrite(): UnitPlace | undefined {
    return this.#lastWrite;
  }

  /** Nothing but empty units came after the last write that had something to say. */
  get endsWithSeal(): boolean {
    return this.#endsWithSeal;
  }

  /** False when the history that was replayed is not the one that the base belongs to, or does not reach it. */
  get containsBase(): boolean {
    const { base } = this.#head;
    return this.#lastIndex >= base.index && this.#baseTerm === base.term;
  }

  /** What replaying would begin with here. */
  startAt(segment: number, position: number): ReplayStart {
    return {
      segment,
      position,
      sequence: this.#sequence,
      lastIndex: this.#lastIndex,
      lastTerm: this.#lastTerm,
      hardState: this.#hardState,
    };
  }

  /** The header, when it is the one that history goes on with. */
  expected(verdict: UnitVerdict): UnitHeader | undefined {
    if (verdict.type !== 'valid') return undefined;
    const { sequence, durableSequence, firstIndex, entryCount } = verdict.header;
    if (sequence !== this.#sequence + 1 || durableSequence >= sequence) return undefined;
    const next = this.#lastIndex + 1;
    return (entryCount === 0 ? firstIndex === next : firstIndex >= 1 && firstIndex <= next) ? verdict.header : undefined;
  }

  /** `damagedRows`: entries whose payloads are not what was written. */
  take(place: UnitPlace, header: UnitHeader, body: Buffer, damagedRows: readonly number[]): void {
    const { firstIndex, entryCount, sequence, durableSequence, hardState } = header;
    const table = body.subarray(0, entryCount * TABLE_ROW_BYTES);
    const saysNothing = entryCount === 0 && this.#sameHardState(hardState);
    if (durableSequence === sequence - 1) {
      this.#lastWrite = place;
      this.#endsWithSeal = saysNothing;
    } else {
      this.#endsWithSeal &&= saysNothing;
    }
    if (entryCount > 0) this.#takeEntries(firstIndex, table, body);
    for (const row of damagedRows) if (firstIndex + row > this.#head.base.index) this.#damaged.push(firstIndex + row);
    this.index.addUnit(place.segment, place.position, firstIndex, table, Number.MAX_SAFE_INTEGER);
    this.#hardState = newerHardState(hardState, this.#hardState);
    this.#sequence = sequence;
  }

  /** Those up to the base are passed over. */
  #takeEntries(firstIndex: number, table: Buffer, body: Buffer): void {
    const { base } = this.#head;
    if (firstIndex <= this.terms.lastIndex) this.#truncate(firstIndex);
    let at = table.length;
    for (let row = 0; row * TABLE_ROW_BYTES < table.length; row++) {
      const { term, kind, payloadBytes } = readRow(table, row);
      const index = (firstIndex + row) as LogIndex;
      this.#lastIndex = index;
      this.#lastTerm = term;
      if (index === base.index) this.#baseTerm = term;
      if (index > base.index) this.terms.append(term);
      if (index > base.index && kind === KIND_CONFIGURATION)
        this.#configurations.push({ term, index, kind, payload: Buffer.from(body.subarray(at, at + payloadBytes)) });
      at += payloadBytes;
    }
  }

  #truncate(firstIndex: number): void {
    const { base } = this.#head;
    this.terms.truncate(Math.max(firstIndex, base.index + 1));
    if (firstIndex <= base.index) this.#baseTerm = undefined;
    this.#configurations = this.#configurations.filter(({ index }) => index < firstIndex);
    this.#damaged = this.#damaged.filter((index) => index < firstIndex);
  }

  #sameHardState({ term, vote }: HardState): boolean {
    return term === this.#hardState.term && vote === this.#hardState.vote;
  }
}
