/**
 * The replicated state of a group: topics, queues, producer sessions, and the checkpoints at which its log may be cut. It lives in
 * memory, follows from the log alone, and is stored behind itself: each store round is one atomic batch with the applied index, so that
 * after a crash it is whole, merely older, and replayed.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Entry, FIRST_APPLICATION_KIND, type LogIndex, logIndex } from '../raft/types.ts';
import type { StateMachine } from '../replica/state-machine.ts';
import type { ErrorReason } from '../rpc/error.ts';
import type { Command } from '../rpc/generated/lograft/internal/v1/Command.ts';
import type { RecordBatch } from '../rpc/generated/lograft/v1/RecordBatch.ts';
import { CommandCodec, RecordBatchCodec } from '../rpc/protos.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import { KIND_BATCH, KIND_COMMAND } from './entry-kinds.ts';
import { IndexCleaner } from './index-cleaner.ts';
import { MAX_QUEUES_PER_TOPIC, MAX_TOPICS } from './limits.ts';
import { type MarkedQueue, Marks, markValue } from './marks.ts';
import { ProducerSessions, type ProducerWindow, windowValue } from './producer-sessions.ts';
import { positionValue, type QueueState } from './queue-state.ts';
import {
  APPLIED_BYTES_KEY,
  APPLIED_KEY,
  FORMAT_KEY,
  indexKey,
  markKey,
  numberValue,
  queueKey,
  queueValue,
  STATE_FORMAT,
  sessionKey,
  TRIMMED_KEY,
  topicKey,
  windowKey,
} from './state-keys.ts';
import { decodeSnapshot, encodeSnapshot, type GroupImage, sessionImage } from './state-snapshot.ts';
import { type StoreRound, StoreRounds, type WhenDurable } from './store-rounds.ts';
import { clearStored, loadStored } from './stored-state.ts';
import { type Topic, Topics } from './topics.ts';

export type ApplyResult =
  | { readonly type: 'appended'; readonly baseOffset: number }
  | { readonly type: 'topicCreated'; readonly topic: Topic }
  | { readonly type: 'producerOpened'; readonly producerId: number }
  | { readonly type: 'refused'; readonly reason: ErrorReason; readonly message: string }
  | { readonly type: 'nothing' };

export interface BrokerStateEvents {
  onTopicsChanged(): void;
  /** The state at this entry, to be kept: the log may be cut here one day. */
  onCheckpoint(entry: Entry, content: readonly Buffer[]): void;
  /** The group decided that nothing up to this entry is held any longer. */
  onTrimmed(index: LogIndex): void;
  readonly whenDurable: WhenDurable;
  /** Terminal: the state can no longer be stored. */
  onFailed(error: Error): void;
}

export class BrokerState implements StateMachine<ApplyResult> {
  readonly topics = new Topics();
  readonly keyed: KeyedState;
  readonly #events: BrokerStateEvents;
  readonly #rounds: StoreRounds;
  readonly #cleaner: IndexCleaner;
  #sessions = new ProducerSessions();
  #marks = new Marks([]);
  #applied = logIndex(0);
  #appliedBytes = 0;
  #trimmed = logIndex(0);
  /** What the next store round must write. */
  #dirtyQueues = new Set<QueueState>();
  #dirtyWindows = new Set<ProducerWindow>();
  #puts: [Buffer, Buffer][] = [];
  #deletes: Buffer[] = [];

  private constructor(keyed: KeyedState, clock: Clock, events: BrokerStateEvents) {
    this.keyed = keyed;
    this.#events = events;
    this.#rounds = new StoreRounds(keyed, clock, () => this.#collect(), events);
    this.#cleaner = new IndexCleaner(keyed, clock, events.onFailed);
  }

  static async load(keyed: KeyedState, clock: Clock, events: BrokerStateEvents): Promise<BrokerState> {
    const state = new BrokerState(keyed, clock, events);
    const stored = await loadStored(keyed);
    if (stored === undefined) return state;
    state.#applied = logIndex(stored.applied);
    state.#appliedBytes = stored.appliedBytes;
    state.#trimmed = logIndex(stored.trimmed);
    state.#marks = new Marks(stored.marks);
    for (const { id, name, ranges } of stored.topics) state.topics.add(name, id, ranges);
    state.#sessions.restore(stored.producerIds, stored.windows);
    for (const topic of state.topics.all()) for (const queue of topic.queues) state.#cleaner.clean(queue);
    return state;
  }

  get appliedIndex(): LogIndex {
    return this.#applied;
  }

  get appliedBytes(): number {
    return this.#appliedBytes;
  }

  /** The group decided that nothing up to this entry is held any longer; 0: nothing was ever dropped. */
  get trimmedIndex(): LogIndex {
    return this.#trimmed;
  }

  get marks(): Marks {
    return this.#marks;
  }

  get producers(): number {
    return this.#sessions.size;
  }

  apply(entry: Entry): ApplyResult {
    assert(entry.index === this.#applied + 1, 'entries are applied in order, each once');
    this.#applied = entry.index;
    this.#appliedBytes += entry.payload.byteLength;
    const result = this.#applyEntry(entry);
    this.#rounds.noted();
    return result;
  }

  waitForRoom(): Promise<void> | undefined {
    return this.#rounds.waitForRoom();
  }

  /** Takes the state of a snapshot in place of its own, which is older. Durable when it resolves; after a crash in between it is to be done again. */
  async restore(parts: AsyncIterable<Buffer>): Promise<void> {
    const image = await decodeSnapshot(parts);
    assert(image.index > this.#applied, 'a snapshot is newer than what it replaces');
    await this.#rounds.drain();
    await this.#cleaner.drain();
    await clearStored(this.keyed);
    this.#takeImage(image);
    // Everything but the index, of which nothing is left: one batch, so that it is there whole or not at all.
    const round = this.#collect();
    await this.keyed.write(round.puts, round.deletes);
    round.stored();
    await this.keyed.sync();
    this.#events.onTopicsChanged();
  }

  /** Everything applied before is stored and durable when it resolves. */
  async sync(): Promise<void> {
    await this.#rounds.drain();
    await this.keyed.sync();
  }

  /** Stores what is applied, and closes the store. */
  async close(): Promise<void> {
    await this.#rounds.close();
    await this.#cleaner.close();
    await this.keyed.close();
  }

  #applyEntry(entry: Entry): ApplyResult {
    // What consensus writes for itself changes nothing here.
    if (entry.kind < FIRST_APPLICATION_KIND) return { type: 'nothing' };
    switch (entry.kind) {
      case KIND_BATCH:
        return this.#applyBatch(entry);
      case KIND_COMMAND:
        return this.#applyCommand(CommandCodec.decode(entry.payload), entry);
      default:
        throw new Error(`entry ${entry.index} is of kind ${entry.kind}, which this version does not know: start the newer version`);
    }
  }

  #applyBatch(entry: Entry): ApplyResult {
    // The leader has checked the batch before it proposed it.
    const batch = RecordBatchCodec.decode(entry.payload);
    const queue = this.#queueOf(batch);
    if (!('topicId' in queue)) return queue;
    if (batch.producerId === 0) return this.#appendTo(queue, batch.count, entry.index);
    const verdict = this.#sessions.judge(batch);
    switch (verdict.type) {
      case 'duplicate':
        return { type: 'appended', baseOffset: verdict.baseOffset };
      case 'unknownProducer':
        return refused('UNKNOWN_PRODUCER', `producer session ${batch.producerId} is not known here: open a new one`);
      case 'gap':
        return refused(
          'OUT_OF_SEQUENCE',
          `sequence ${batch.firstSequence} does not follow: an earlier batch is missing, send it first`,
        );
      case 'tooOld':
        return refused('DUPLICATE_TOO_OLD', `sequence ${batch.firstSequence} was appended too long ago for its offset to be known`);
      case 'next': {
        const appended = this.#appendTo(queue, batch.count, entry.index);
        this.#sessions.accept(verdict.window, batch, appended.baseOffset, entry.index);
        this.#dirtyWindows.add(verdict.window);
        this.#evictSessions();
        return appended;
      }
    }
  }

  #queueOf(batch: RecordBatch): QueueState | Extract<ApplyResult, { type: 'refused' }> {
    const topic = this.topics.byId(batch.topicId);
    if (topic === undefined) return refused('UNKNOWN_TOPIC', `no topic has the id ${batch.topicId}: was it deleted?`);
    const queue = topic.queues[batch.queue];
    return queue ?? refused('UNKNOWN_QUEUE', `topic ${topic.name} has queues 0 to ${topic.queues.length - 1}, not ${batch.queue}`);
  }

  #appendTo(queue: QueueState, count: number, index: LogIndex): Extract<ApplyResult, { type: 'appended' }> {
    const { baseOffset } = queue.append(count, index);
    this.#dirtyQueues.add(queue);
    return { type: 'appended', baseOffset };
  }

  #applyCommand(command: Command, entry: Entry): ApplyResult {
    switch (command.command) {
      case 'createTopic':
        return this.#createTopic(command.createTopic?.name ?? '', command.createTopic?.queues ?? 0);
      case 'openProducer':
        this.#openProducer(entry.index);
        return { type: 'producerOpened', producerId: entry.index };
      case 'checkpoint':
        this.#checkpoint(entry, command.checkpoint?.wallMs ?? 0);
        return { type: 'nothing' };
      case 'trim':
        this.#trim(command.trim?.index ?? 0);
        return { type: 'nothing' };
      default:
        throw new Error(`entry ${entry.index} holds a command that this version does not know: start the newer version`);
    }
  }

  #createTopic(name: string, queues: number): ApplyResult {
    assert(queues >= 1 && queues <= MAX_QUEUES_PER_TOPIC, 'the leader checks topics before it proposes them');
    if (this.topics.byName(name) !== undefined) return refused('TOPIC_EXISTS', `topic ${name} exists already`);
    if (this.topics.size >= MAX_TOPICS)
      return refused('INVALID_REQUEST', `there are ${MAX_TOPICS} topics already, the most a group can hold`);
    const topic = this.topics.add(name, this.topics.size + 1, new Array(queues).fill({ first: 0, next: 0 }));
    this.#putTopic(topic);
    this.#events.onTopicsChanged();
    return { type: 'topicCreated', topic };
  }

  #putTopic({ id, name, queues }: Topic): void {
    this.#puts.push([topicKey(id), Buffer.from(JSON.stringify({ name, queues: queues.length }))]);
  }

  #openProducer(producerId: LogIndex): void {
    this.#sessions.open(producerId);
    this.#puts.push([sessionKey(producerId), Buffer.alloc(0)]);
    this.#evictSessions();
  }

  #checkpoint(entry: Entry, wallMs: number): void {
    const queues: MarkedQueue[] = [];
    for (const { queues: all } of this.topics.all()) {
      for (const { topicId, queue, nextOffset } of all) if (nextOffset > 0) queues.push({ topicId, queue, nextOffset });
    }
    const mark = {
      index: entry.index,
      // A leader whose clock is behind the last one's must not make its checkpoints look older than those before.
      wallMs: Math.max(wallMs, this.#marks.last?.wallMs ?? 0),
      appliedBytes: this.#appliedBytes,
      queues,
    };
    const dropped = this.#marks.add(mark);
    this.#puts.push([markKey(mark.index), markValue(mark)]);
    if (dropped !== undefined) this.#deletes.push(markKey(dropped.index));
    this.#events.onCheckpoint(entry, encodeSnapshot(this.#image()));
  }

  #trim(index: number): void {
    const cut = this.#marks.cutAt(index);
    // Thinned out, or cut already, since the leader proposed it.
    if (cut === undefined) return;
    for (const { index: dropped } of cut.dropped) this.#deletes.push(markKey(dropped));
    for (const { topicId, queue: number, nextOffset } of cut.mark.queues) {
      const queue = this.topics.byId(topicId)?.queues[number];
      if (queue === undefined) continue;
      queue.trim(nextOffset);
      this.#dirtyQueues.add(queue);
      this.#cleaner.clean(queue);
    }
    this.#trimmed = logIndex(index);
    this.#events.onTrimmed(this.#trimmed);
  }

  #evictSessions(): void {
    for (const session of this.#sessions.evict()) {
      this.#deletes.push(sessionKey(session.producerId));
      for (const window of session.windows.values()) {
        this.#dirtyWindows.delete(window);
        this.#deletes.push(windowKey(window.producerId, window.topicId, window.queue));
      }
    }
  }

  #image(): GroupImage {
    const topics = this.topics.byAge().map(({ id, name, queues }) => ({
      id,
      name,
      nextOffsets: queues.map(({ nextOffset }) => nextOffset),
    }));
    return {
      index: this.#applied,
      appliedBytes: this.#appliedBytes,
      trimmed: this.#trimmed,
      marks: this.#marks.all(),
      topics,
      producers: this.#sessions.all().map(sessionImage),
    };
  }

  #takeImage(image: GroupImage): void {
    this.#applied = logIndex(image.index);
    this.#appliedBytes = image.appliedBytes;
    this.#trimmed = logIndex(image.trimmed);
    this.#marks = new Marks(image.marks);
    for (const { id, name, nextOffsets } of image.topics) {
      const topic = this.topics.byId(id) ?? this.topics.add(name, id, new Array(nextOffsets.length).fill({ first: 0, next: 0 }));
      for (const [at, queue] of topic.queues.entries()) queue.reset(nextOffsets[at] as number);
    }
    this.#sessions = new ProducerSessions();
    const windows = image.producers.flatMap((producer) => producer.windows);
    this.#sessions.restore(
      image.producers.map(({ producerId }) => producerId),
      windows,
    );
    this.#dirtyAll(image);
  }

  #dirtyAll(image: GroupImage): void {
    this.#deletes = [];
    this.#puts = image.marks.map((mark) => [markKey(mark.index), markValue(mark)]);
    for (const topic of this.topics.all()) this.#putTopic(topic);
    for (const { producerId } of image.producers) this.#puts.push([sessionKey(producerId), Buffer.alloc(0)]);
    this.#dirtyQueues = new Set(this.topics.all().flatMap(({ queues }) => queues));
    this.#dirtyWindows = new Set(this.#sessions.all().flatMap(({ windows }) => [...windows.values()]));
  }

  #collect(): StoreRound {
    const puts = this.#puts;
    const queues = this.#dirtyQueues;
    for (const queue of queues) {
      const { topicId, firstOffset, nextOffset } = queue;
      for (const position of queue.takeUnstored())
        puts.push([indexKey(topicId, queue.queue, position.baseOffset), positionValue(position)]);
      puts.push([queueKey(topicId, queue.queue), queueValue(firstOffset, nextOffset)]);
    }
    for (const window of this.#dirtyWindows)
      puts.push([windowKey(window.producerId, window.topicId, window.queue), windowValue(window)]);
    puts.push([APPLIED_KEY, numberValue(this.#applied)], [APPLIED_BYTES_KEY, numberValue(this.#appliedBytes)]);
    puts.push([TRIMMED_KEY, numberValue(this.#trimmed)], [FORMAT_KEY, numberValue(STATE_FORMAT)]);
    const deletes = this.#deletes;
    this.#puts = [];
    this.#deletes = [];
    this.#dirtyQueues = new Set();
    this.#dirtyWindows = new Set();
    const stored = (): void => {
      for (const queue of queues) queue.stored();
    };
    return { applied: this.#applied, puts, deletes, stored };
  }
}

function refused(reason: ErrorReason, message: string): Extract<ApplyResult, { type: 'refused' }> {
  return { type: 'refused', reason, message };
}
