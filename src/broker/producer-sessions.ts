/**
 * Who has sent what: makes "exactly once per sequence" hold over retries, fail-overs and restarts. Part of the replicated state, so every
 * change follows from the log alone.
 */
import { assert } from '../base/assert.ts';
import { readNumber, writeNumber } from '../storage/bytes.ts';
import { MAX_PRODUCER_WINDOWS, MAX_PRODUCERS, PRODUCER_WINDOW_BATCHES } from './limits.ts';

/** The last batches of one producer on one queue. */
export interface ProducerWindow {
  readonly producerId: number;
  readonly topicId: number;
  readonly queue: number;
  /** Sequence that the next batch must begin with. */
  nextSequence: number;
  /** Log index of its last batch: how long it has been silent. */
  lastIndex: number;
  /** Oldest first, at most PRODUCER_WINDOW_BATCHES. */
  readonly recent: { readonly firstSequence: number; readonly count: number; readonly baseOffset: number }[];
}

export interface ProducerSession {
  readonly producerId: number;
  lastIndex: number;
  readonly windows: Map<string, ProducerWindow>;
}

/** What a batch is to its session. */
export type Verdict =
  | { readonly type: 'next'; readonly window: ProducerWindow }
  | { readonly type: 'duplicate'; readonly baseOffset: number }
  | { readonly type: 'tooOld' | 'gap' | 'unknownProducer' };

export class ProducerSessions {
  /** In order of last activity: the first is the one to go. */
  readonly #sessions = new Map<number, ProducerSession>();
  #windows = 0;

  get size(): number {
    return this.#sessions.size;
  }

  /** In order of last activity. */
  all(): readonly ProducerSession[] {
    return [...this.#sessions.values()];
  }

  open(producerId: number): void {
    assert(producerId > 0 && !this.#sessions.has(producerId), 'a log index names one session');
    this.#sessions.set(producerId, { producerId, lastIndex: producerId, windows: new Map() });
  }

  judge(batch: { producerId: number; topicId: number; queue: number; firstSequence: number; count: number }): Verdict {
    const session = this.#sessions.get(batch.producerId);
    if (session === undefined) return { type: 'unknownProducer' };
    const window = this.#window(session, batch.topicId, batch.queue);
    if (batch.firstSequence === window.nextSequence) return { type: 'next', window };
    if (batch.firstSequence > window.nextSequence) return { type: 'gap' };
    const known = window.recent.find(({ firstSequence }) => firstSequence === batch.firstSequence);
    if (known !== undefined && known.count === batch.count) return { type: 'duplicate', baseOffset: known.baseOffset };
    return { type: 'tooOld' };
  }

  /** The batch judged `next` is in the queue at `baseOffset`. */
  accept(window: ProducerWindow, batch: { firstSequence: number; count: number }, baseOffset: number, logIndex: number): void {
    assert(batch.firstSequence === window.nextSequence, 'a session grows without gaps');
    const session = this.#sessions.get(window.producerId);
    assert(session !== undefined, 'a window belongs to a session');
    const key = windowName(window.topicId, window.queue);
    if (!session.windows.has(key)) {
      session.windows.set(key, window);
      this.#windows += 1;
    }
    window.recent.push({ firstSequence: batch.firstSequence, count: batch.count, baseOffset });
    if (window.recent.length > PRODUCER_WINDOW_BATCHES) window.recent.shift();
    window.nextSequence += batch.count;
    window.lastIndex = logIndex;
    session.lastIndex = logIndex;
    this.#sessions.delete(session.producerId);
    this.#sessions.set(session.producerId, session);
  }

  /** Drops those silent for the longest while there are too many; gives them so that they are dropped from the disk too. */
  evict(): readonly ProducerSession[] {
    const gone: ProducerSession[] = [];
    for (const session of this.#sessions.values()) {
      if (this.#sessions.size <= MAX_PRODUCERS && this.#windows <= MAX_PRODUCER_WINDOWS) break;
      this.#sessions.delete(session.producerId);
      this.#windows -= session.windows.size;
      gone.push(session);
    }
    return gone;
  }

  /** Puts stored sessions and windows back, in the order of their last activity. */
  restore(producerIds: readonly number[], windows: readonly ProducerWindow[]): void {
    assert(this.#sessions.size === 0, 'sessions are restored once');
    const sessions = new Map<number, ProducerSession>();
    for (const producerId of producerIds) sessions.set(producerId, { producerId, lastIndex: producerId, windows: new Map() });
    for (const window of windows) {
      const session = sessions.get(window.producerId);
      assert(session !== undefined, 'a stored window belongs to a stored session');
      session.windows.set(windowName(window.topicId, window.queue), window);
      session.lastIndex = Math.max(session.lastIndex, window.lastIndex);
      this.#windows += 1;
    }
    for (const session of [...sessions.values()].sort((a, b) => a.lastIndex - b.lastIndex))
      this.#sessions.set(session.producerId, session);
  }

  #window(session: ProducerSession, topicId: number, queue: number): ProducerWindow {
    return (
      session.windows.get(windowName(topicId, queue)) ?? {
        producerId: session.producerId,
        topicId,
        queue,
        nextSequence: 0,
        lastIndex: 0,
        recent: [],
      }
    );
  }
}

function windowName(topicId: number, queue: number): string {
  return `${topicId}/${queue}`;
}

const HEAD_BYTES = 16;
const BATCH_BYTES = 20;

export function windowValue(window: ProducerWindow): Buffer {
  const value = Buffer.allocUnsafe(HEAD_BYTES + window.recent.length * BATCH_BYTES);
  writeNumber(value, window.nextSequence, 0);
  writeNumber(value, window.lastIndex, 8);
  window.recent.forEach(({ firstSequence, count, baseOffset }, at) => {
    const position = HEAD_BYTES + at * BATCH_BYTES;
    writeNumber(value, firstSequence, position);
    writeNumber(value, baseOffset, position + 8);
    value.writeUInt32BE(count, position + 16);
  });
  return value;
}

export function readWindow(key: Buffer, value: Buffer): ProducerWindow {
  const recent: ProducerWindow['recent'] = [];
  for (let at = HEAD_BYTES; at < value.length; at += BATCH_BYTES) {
    recent.push({
      firstSequence: readNumber(value, at),
      baseOffset: readNumber(value, at + 8),
      count: value.readUInt32BE(at + 16),
    });
  }
  return {
    producerId: readNumber(key, 1),
    topicId: key.readUInt32BE(9),
    queue: key.readUInt32BE(13),
    nextSequence: readNumber(value, 0),
    lastIndex: readNumber(value, 8),
    recent,
  };
}
