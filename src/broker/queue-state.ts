/** One queue: its next offset, and where its batches are in the log. */
import { assert } from '../base/assert.ts';
import type { Brand } from '../base/brand.ts';
import type { LogIndex } from '../raft/types.ts';
import { readNumber, writeNumber } from '../storage/bytes.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import { indexKey } from './state-keys.ts';

/** Position of a record in its queue, from 0. */
export type QueueOffset = Brand<number, 'QueueOffset'>;

/** Where one batch is. */
export interface BatchPosition {
  readonly baseOffset: number;
  readonly count: number;
  readonly logIndex: LogIndex;
  /** Greatest timestamp of the queue's records up to the end of this batch: it never falls, so that times can be searched. */
  readonly greatestMs: number;
}

/** Where a queue begins and ends. */
export interface QueueExtent {
  /** Offset of the first record that is held. */
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** Greatest timestamp of all records that the queue ever had. */
  readonly greatestMs: number;
}

/** Positions kept in memory beside those that are not stored yet: what tailing readers ask for. */
const TAIL_LENGTH = 1_024;

export class QueueState {
  readonly topicId: number;
  readonly queue: number;
  #firstOffset: number;
  #nextOffset: number;
  #greatestMs: number;
  /** The newest positions, ascending and without gaps; ends at `nextOffset`. */
  #tail: BatchPosition[] = [];
  /** How many at the end of the tail are not stored yet. */
  #unstored = 0;
  #waiters = new Set<() => void>();
  #dropped = false;

  constructor(topicId: number, queue: number, { firstOffset, nextOffset, greatestMs }: QueueExtent) {
    assert(firstOffset <= nextOffset, 'a queue begins before it ends');
    this.topicId = topicId;
    this.queue = queue;
    this.#firstOffset = firstOffset;
    this.#nextOffset = nextOffset;
    this.#greatestMs = greatestMs;
  }

  /** Offset of the first record that is still held; `nextOffset` when none is. */
  get firstOffset(): number {
    return this.#firstOffset;
  }

  /** Offset that the next record will get. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Greatest timestamp of all records that the queue ever had, milliseconds since 1970. */
  get greatestMs(): number {
    return this.#greatestMs;
  }

  /** The topic was deleted. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /** `greatestMs`: the greatest timestamp in the batch. */
  append(count: number, logIndex: LogIndex, greatestMs: number): BatchPosition {
    assert(count > 0, 'a batch holds records');
    this.#greatestMs = Math.max(this.#greatestMs, greatestMs);
    const position = { baseOffset: this.#nextOffset, count, logIndex, greatestMs: this.#greatestMs };
    this.#nextOffset += count;
    this.#tail.push(position);
    this.#unstored += 1;
    this.#wake();
    return position;
  }

  /** Records before `firstOffset` are no longer held. The cut lies between two batches. */
  trim(firstOffset: number): void {
    assert(firstOffset <= this.#nextOffset, 'only what exists is trimmed');
    this.#firstOffset = Math.max(this.#firstOffset, firstOffset);
  }

  /** Takes the place that a snapshot gives the queue. Nothing before it is held. */
  reset(nextOffset: number, greatestMs: number): void {
    this.#firstOffset = nextOffset;
    this.#nextOffset = nextOffset;
    this.#greatestMs = greatestMs;
    this.#tail = [];
    this.#unstored = 0;
    this.#wake();
  }

  /** The topic was deleted: whoever reads here is let go, and nothing is held any longer. */
  drop(): void {
    this.#firstOffset = this.#nextOffset;
    this.#tail = [];
    this.#unstored = 0;
    this.#dropped = true;
    this.#wake();
  }

  /** Gives what is to be stored now. It stays readable here until `stored` is told. */
  takeUnstored(): readonly BatchPosition[] {
    const taken = this.#tail.slice(this.#tail.length - this.#unstored);
    this.#unstored = 0;
    return taken;
  }

  /** What was taken up to now is stored: older positions may be forgotten. */
  stored(): void {
    const surplus = this.#tail.length - this.#unstored - TAIL_LENGTH;
    // Trimmed in strides, so that a busy queue does not shift its array at each round.
    if (surplus > TAIL_LENGTH) this.#tail.splice(0, surplus);
  }

  /** Positions of batches from the one that holds `offset` on, at most `limit`; `[]` at the end of the queue. */
  async locate(offset: number, limit: number, state: KeyedState): Promise<readonly BatchPosition[]> {
    assert(offset >= this.#firstOffset && offset <= this.#nextOffset, 'only offsets within the queue are located');
    const fromTail = this.#locateInTail(offset, limit);
    return fromTail ?? (await this.#locateStored(offset, limit, state));
  }

  /**
   * The first batch that is held in which, or before which, the queue had a record with this timestamp or a later one; undefined when there was
   * none.
   */
  async locateTime(timeMs: number, state: KeyedState): Promise<BatchPosition | undefined> {
    let found: BatchPosition | undefined;
    let low = this.#firstOffset;
    let high = this.#greatestMs < timeMs ? low : this.#nextOffset;
    while (low < high) {
      const [position] = await this.locate(low + Math.floor((high - low) / 2), 1, state);
      if (position !== undefined && position.greatestMs >= timeMs) {
        found = position;
        high = position.baseOffset;
      } else if (position !== undefined) low = position.baseOffset + position.count;
      // The queue may have been trimmed meanwhile, or have taken the place that a snapshot gives it.
      low = Math.max(low, this.#firstOffset);
    }
    const stillHeld = found === undefined || found.baseOffset >= this.#firstOffset;
    return stillHeld ? found : this.locateTime(timeMs, state);
  }

  #wake(): void {
    if (this.#waiters.size === 0) return;
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }

  /** Resolves when something is appended from `offset` on, or when the signal aborts. */
  async waitForAppend(offset: number, signal: AbortSignal): Promise<void> {
    if (this.#nextOffset > offset || this.#dropped || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  #locateInTail(offset: number, limit: number): readonly BatchPosition[] | undefined {
    if (offset === this.#nextOffset) return [];
    const first = this.#tail[0];
    if (first === undefined || offset < first.baseOffset) return undefined;
    let low = 0;
    let high = this.#tail.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#tail[middle] as BatchPosition).baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#tail.slice(low, low + limit);
  }

  async #locateStored(offset: number, limit: number, state: KeyedState): Promise<readonly BatchPosition[]> {
    const { topicId, queue } = this;
    const firstKey = indexKey(topicId, queue, 0);
    let from: Buffer | undefined;
    for await (const [key] of state.range({ from: firstKey, to: indexKey(topicId, queue, offset + 1), reverse: true, limit: 1 }))
      from = key;
    assert(from !== undefined, 'every offset of a queue belongs to a stored batch');
    const found: BatchPosition[] = [];
    const end = indexKey(topicId, queue, Number.MAX_SAFE_INTEGER);
    for await (const [key, value] of state.range({ from, to: end, limit })) found.push(readPosition(key, value));
    return found;
  }
}

const POSITION_BYTES = 20;

export function positionValue({ logIndex, count, greatestMs }: BatchPosition): Buffer {
  const value = Buffer.allocUnsafe(POSITION_BYTES);
  writeNumber(value, logIndex, 0);
  value.writeUInt32BE(count, 8);
  writeNumber(value, greatestMs, 12);
  return value;
}

function readPosition(key: Buffer, value: Buffer): BatchPosition {
  return {
    baseOffset: readNumber(key, 9),
    logIndex: readNumber(value, 0) as LogIndex,
    count: value.readUInt32BE(8),
    greatestMs: readNumber(value, 12),
  };
}
