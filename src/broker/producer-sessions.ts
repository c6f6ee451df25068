/**
 * Who has sent what: makes "exactly once per sequence" hold over retries, fail-overs and restarts. Part of the replicated state, so every
 * change follows from the log alone.
 *
 * Sessions of one name and different epochs belong to different instances of a producer, of which only the one with the highest epoch may write
 * (Kafka KIP-98 calls the others zombies). Theirs are kept like all others, so that what they still send is told from what nobody knows.
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

/** How a session began. */
export interface SessionOpening {
  /** Log index of the entry that opened it. */
  readonly producerId: number;
  /** Empty: nobody can take over from it. */
  readonly name: string;
  /** Of the instance that opened it; 0 without a name. */
  readonly epoch: number;
}

export interface ProducerSession extends SessionOpening {
  /** Of its last batch, or of its opening. */
  lastIndex: number;
  readonly windows: Map<string, ProducerWindow>;
}

/** What is stored of a session beside its windows. */
export interface StoredSession extends SessionOpening {
  /** At least that of the opening; its windows may know of a later one. */
  readonly lastIndex: number;
}

/** All sessions of a name. */
interface NamedProducer {
  /** The highest of its sessions. */
  epoch: number;
  readonly sessions: Set<ProducerSession>;
}

/** The last record of a queue that was stored under a name. */
export interface LastRecord {
  readonly topicId: number;
  readonly queue: number;
  readonly offset: number;
}

/** What a batch is to its session. */
export type Verdict =
  | { readonly type: 'next'; readonly window: ProducerWindow }
  | { readonly type: 'duplicate'; readonly baseOffset: number }
  | { readonly type: 'tooOld' | 'gap' | 'fenced' | 'unknownProducer' };

export class ProducerSessions {
  /** In order of last activity: the first is the one to go. */
  readonly #sessions = new Map<number, ProducerSession>();
  readonly #named = new Map<string, NamedProducer>();
  #windows = 0;

  get size(): number {
    return this.#sessions.size;
  }

  /** In order of last activity. */
  all(): readonly ProducerSession[] {
    return [...this.#sessions.values()];
  }

  /** From now on older instances of the name are fenced. Undefined: a later instance has it already. */
  open(opening: SessionOpening): ProducerSession | undefined {
    const { producerId, name, epoch } = opening;
    assert(producerId > 0 && !this.#sessions.has(producerId), 'a log index names one session');
    if (epoch < this.#epochOf(name)) return undefined;
    const session = { ...opening, lastIndex: producerId, windows: new Map() };
    this.#add(session);
    return session;
  }

  /** By topic and queue. Of sessions that are not forgotten. */
  lastRecords(name: string): readonly LastRecord[] {
    const last = new Map<string, LastRecord>();
    for (const { windows } of this.#named.get(name)?.sessions ?? []) {
      for (const [key, { topicId, queue, recent }] of windows) {
        const batch = recent.at(-1);
        assert(batch !== undefined, 'a window is kept from its first batch on');
        const offset = batch.baseOffset + batch.count - 1;
        if (offset > (last.get(key)?.offset ?? -1)) last.set(key, { topicId, queue, offset });
      }
    }
    return [...last.values()].sort((one, other) => one.topicId - other.topicId || one.queue - other.queue);
  }

  judge(batch: { producerId: number; topicId: number; queue: number; firstSequence: number; count: number }): Verdict {
    const session = this.#sessions.get(batch.producerId);
    if (session === undefined) return { type: 'unknownProducer' };
    if (session.epoch < this.#epochOf(session.name)) return { type: 'fenced' };
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
      this.#remove(session);
      gone.push(session);
    }
    return gone;
  }

  /** Drops those without a batch after `index`; gives them. */
  expire(index: number): readonly ProducerSession[] {
    const gone: ProducerSession[] = [];
    for (const session of this.#sessions.values()) {
      if (session.lastIndex > index) break;
      this.#remove(session);
      gone.push(session);
    }
    return gone;
  }

  /** Nobody can send to the topic again: its windows would only push others out. Gives them by session. */
  dropTopic(topicId: number): ReadonlyMap<ProducerSession, readonly ProducerWindow[]> {
    const dropped = new Map<ProducerSession, ProducerWindow[]>();
    for (const session of this.#sessions.values()) {
      const windows = [...session.windows].filter(([, window]) => window.topicId === topicId);
      if (windows.length === 0) continue;
      for (const [key] of windows) session.windows.delete(key);
      this.#windows -= windows.length;
      dropped.set(
        session,
        windows.map(([, window]) => window),
      );
    }
    return dropped;
  }

  /** Puts stored sessions and windows back, in the order of their last activity. */
  restore(stored: readonly StoredSession[], windows: readonly ProducerWindow[]): void {
    assert(this.#sessions.size === 0, 'sessions are restored once');
    const sessions = new Map<number, ProducerSession>();
    for (const { producerId, name, epoch, lastIndex } of stored) {
      // Snapshots of older versions tell no last index.
      sessions.set(producerId, { producerId, name, epoch, lastIndex: Math.max(lastIndex, producerId), windows: new Map() });
    }
    for (const window of windows) {
      const session = sessions.get(window.producerId);
      assert(session !== undefined, 'a stored window belongs to a stored session');
      session.windows.set(windowName(window.topicId, window.queue), window);
      session.lastIndex = Math.max(session.lastIndex, window.lastIndex);
      this.#windows += 1;
    }
    for (const session of [...sessions.values()].sort((a, b) => a.lastIndex - b.lastIndex)) this.#add(session);
  }

  #epochOf(name: string): number {
    return this.#named.get(name)?.epoch ?? 0;
  }

  #add(session: ProducerSession): void {
    const { producerId, name, epoch } = session;
    this.#sessions.set(producerId, session);
    if (name === '') return;
    const named = this.#named.get(name) ?? { epoch: 0, sessions: new Set() };
    named.epoch = Math.max(named.epoch, epoch);
    named.sessions.add(session);
    this.#named.set(name, named);
  }

  /** Fenced sessions are silent for longer than the one that fences them: its epoch is forgotten last. */
  #remove(session: ProducerSession): void {
    this.#sessions.delete(session.producerId);
    this.#windows -= session.windows.size;
    const named = this.#named.get(session.name);
    if (named === undefined) return;
    named.sessions.delete(session);
    if (named.sessions.size === 0) this.#named.delete(session.name);
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

export function sessionValue({ lastIndex, epoch, name }: StoredSession): Buffer {
  const value = Buffer.allocUnsafe(HEAD_BYTES + Buffer.byteLength(name));
  writeNumber(value, lastIndex, 0);
  writeNumber(value, epoch, 8);
  value.write(name, HEAD_BYTES);
  return value;
}

export function readSession(key: Buffer, value: Buffer): StoredSession {
  return {
    producerId: readNumber(key, 1),
    lastIndex: readNumber(value, 0),
    epoch: readNumber(value, 8),
    name: value.toString('utf8', HEAD_BYTES),
  };
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
