/**
 * The replicated state of a group: topics, queues, producer sessions. It lives in memory, follows from the log alone, and is stored behind
 * itself: each store round is one atomic batch with the applied index, so that after a crash it is whole, merely older, and replayed.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Entry, KIND_NOOP, type LogIndex, logIndex } from '../raft/types.ts';
import type { StateMachine } from '../replica/state-machine.ts';
import type { ErrorReason } from '../rpc/error.ts';
import type { Command } from '../rpc/generated/lograft/internal/v1/Command.ts';
import type { RecordBatch } from '../rpc/generated/lograft/v1/RecordBatch.ts';
import { CommandCodec, RecordBatchCodec } from '../rpc/protos.ts';
import { readNumber } from '../storage/bytes.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import { KIND_BATCH, KIND_COMMAND } from './entry-kinds.ts';
import { MAX_QUEUES_PER_TOPIC, MAX_TOPICS } from './limits.ts';
import { ProducerSessions, type ProducerWindow, readWindow, windowValue } from './producer-sessions.ts';
import { positionValue, type QueueState } from './queue-state.ts';
import {
  APPLIED_KEY,
  FORMAT_KEY,
  indexKey,
  numberValue,
  queueKey,
  STATE_FORMAT,
  sessionKey,
  tableRange,
  topicKey,
  windowKey,
} from './state-keys.ts';
import { type Topic, Topics } from './topics.ts';

export type ApplyResult =
  | { readonly type: 'appended'; readonly baseOffset: number }
  | { readonly type: 'topicCreated'; readonly topic: Topic }
  | { readonly type: 'producerOpened'; readonly producerId: number }
  | { readonly type: 'refused'; readonly reason: ErrorReason; readonly message: string }
  | { readonly type: 'nothing' };

/** Entries not stored yet above which applying waits for the disk, and from which a store round no longer waits for more. */
const MAX_UNSTORED = 20_000;
const FULL_ROUND = 5_000;
/** What is applied within this time is stored together: storing is behind anyway, and few large batches cost much less than many small ones. */
const ROUND_MS = 25;

export interface BrokerStateEvents {
  onTopicsChanged(): void;
  /** Terminal: the state can no longer be stored. */
  onFailed(error: Error): void;
}

export class BrokerState implements StateMachine<ApplyResult> {
  readonly topics = new Topics();
  readonly keyed: KeyedState;
  readonly #clock: Clock;
  readonly #events: BrokerStateEvents;
  readonly #sessions = new ProducerSessions();
  #applied: LogIndex;
  /** What the next store round must write. */
  #dirtyQueues = new Set<QueueState>();
  #dirtyWindows = new Set<ProducerWindow>();
  #puts: [Buffer, Buffer][] = [];
  #deletes: Buffer[] = [];
  #unstored = 0;
  #storing: Promise<void> | undefined;
  /** Ends the wait for a fuller round. */
  #hurry: (() => void) | undefined;
  #closing = false;
  #failed = false;

  private constructor(keyed: KeyedState, clock: Clock, applied: LogIndex, events: BrokerStateEvents) {
    this.keyed = keyed;
    this.#clock = clock;
    this.#applied = applied;
    this.#events = events;
  }

  static async load(keyed: KeyedState, clock: Clock, events: BrokerStateEvents): Promise<BrokerState> {
    const format = await keyed.get(FORMAT_KEY);
    if (format !== undefined && readNumber(format, 0) > STATE_FORMAT) {
      throw new Error(
        `the derived state has format ${readNumber(format, 0)}, this version reads up to ${STATE_FORMAT}: start the newer version`,
      );
    }
    const applied = await keyed.get(APPLIED_KEY);
    const state = new BrokerState(keyed, clock, logIndex(applied === undefined ? 0 : readNumber(applied, 0)), events);
    await state.#loadTopics();
    await state.#loadSessions();
    return state;
  }

  get appliedIndex(): LogIndex {
    return this.#applied;
  }

  get producers(): number {
    return this.#sessions.size;
  }

  apply(entry: Entry): ApplyResult {
    assert(entry.index === this.#applied + 1, 'entries are applied in order, each once');
    const result = this.#applyEntry(entry);
    this.#applied = entry.index;
    this.#unstored += 1;
    if (this.#unstored >= FULL_ROUND) this.#hurry?.();
    if (this.#storing === undefined && !this.#failed) this.#storing = this.#store();
    return result;
  }

  waitForRoom(): Promise<void> | undefined {
    return this.#unstored > MAX_UNSTORED ? this.#storing : undefined;
  }

  /** Stores what is applied, and closes the store. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#hurry?.();
    while (this.#storing !== undefined) await this.#storing;
    await this.keyed.close();
  }

  #applyEntry(entry: Entry): ApplyResult {
    switch (entry.kind) {
      case KIND_NOOP:
        return { type: 'nothing' };
      case KIND_BATCH:
        return this.#applyBatch(entry);
      case KIND_COMMAND:
        return this.#applyCommand(CommandCodec.decode(entry.payload), entry.index);
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

  #applyCommand(command: Command, index: LogIndex): ApplyResult {
    switch (command.command) {
      case 'createTopic':
        return this.#createTopic(command.createTopic?.name ?? '', command.createTopic?.queues ?? 0);
      case 'openProducer':
        this.#sessions.open(index);
        this.#puts.push([sessionKey(index), Buffer.alloc(0)]);
        this.#evictSessions();
        return { type: 'producerOpened', producerId: index };
      default:
        throw new Error(`entry ${index} holds a command that this version does not know: start the newer version`);
    }
  }

  #createTopic(name: string, queues: number): ApplyResult {
    assert(queues >= 1 && queues <= MAX_QUEUES_PER_TOPIC, 'the leader checks topics before it proposes them');
    if (this.topics.byName(name) !== undefined) return refused('TOPIC_EXISTS', `topic ${name} exists already`);
    if (this.topics.size >= MAX_TOPICS)
      return refused('INVALID_REQUEST', `there are ${MAX_TOPICS} topics already, the most a group can hold`);
    const topic = this.topics.add(name, this.topics.size + 1, new Array(queues).fill(0));
    this.#puts.push([topicKey(topic.id), Buffer.from(JSON.stringify({ name, queues }))]);
    this.#events.onTopicsChanged();
    return { type: 'topicCreated', topic };
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

  /** Stores round after round while there is something to store; what is applied meanwhile is the next round. */
  async #store(): Promise<void> {
    try {
      while (this.#unstored > 0) {
        await this.#gather();
        this.#unstored = 0;
        const queues = this.#dirtyQueues;
        const puts = this.#collectPuts();
        const deletes = this.#deletes;
        this.#deletes = [];
        await this.keyed.write(puts, deletes);
        for (const queue of queues) queue.stored();
      }
    } catch (error) {
      this.#failed = true;
      this.#events.onFailed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#storing = undefined;
    }
  }

  #gather(): Promise<void> {
    if (this.#closing || this.#unstored >= FULL_ROUND) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ROUND_MS, () => this.#hurry?.());
      this.#hurry = () => {
        this.#hurry = undefined;
        timer.cancel();
        resolve();
      };
    });
  }

  #collectPuts(): [Buffer, Buffer][] {
    const puts = this.#puts;
    for (const queue of this.#dirtyQueues) {
      const { topicId } = queue;
      for (const position of queue.takeUnstored())
        puts.push([indexKey(topicId, queue.queue, position.baseOffset), positionValue(position)]);
      puts.push([queueKey(topicId, queue.queue), numberValue(queue.nextOffset)]);
    }
    for (const window of this.#dirtyWindows)
      puts.push([windowKey(window.producerId, window.topicId, window.queue), windowValue(window)]);
    puts.push([APPLIED_KEY, numberValue(this.#applied)], [FORMAT_KEY, numberValue(STATE_FORMAT)]);
    this.#puts = [];
    this.#dirtyQueues = new Set();
    this.#dirtyWindows = new Set();
    return puts;
  }

  async #loadTopics(): Promise<void> {
    for await (const [key, value] of this.keyed.range(tableRange('topic'))) {
      const { name, queues } = JSON.parse(value.toString()) as { name: string; queues: number };
      const id = key.readUInt32BE(1);
      const nextOffsets: number[] = new Array(queues).fill(0);
      for await (const [queue, next] of this.keyed.range({ from: queueKey(id, 0), to: queueKey(id, queues) })) {
        nextOffsets[queue.readUInt32BE(5)] = readNumber(next, 0);
      }
      this.topics.add(name, id, nextOffsets);
    }
  }

  async #loadSessions(): Promise<void> {
    const producerIds: number[] = [];
    for await (const [key] of this.keyed.range(tableRange('session'))) producerIds.push(readNumber(key, 1));
    const windows: ProducerWindow[] = [];
    for await (const [key, value] of this.keyed.range(tableRange('window'))) windows.push(readWindow(key, value));
    this.#sessions.restore(producerIds, windows);
  }
}

function refused(reason: ErrorReason, message: string): Extract<ApplyResult, { type: 'refused' }> {
  return { type: 'refused', reason, message };
}
