/**
 * The replicated state of a group: its queues, producer sessions, the offsets of consumer groups, the checkpoints at which its log may be cut, and in the
 * home group the catalogue. It lives in memory, follows from the log alone, and is stored behind itself: each store round is one atomic batch with the applied index, so that
 * after a crash it is whole, merely older, and replayed.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Entry, FIRST_APPLICATION_KIND, type LogIndex, logIndex } from '../raft/types.ts';
import type { StateMachine } from '../replica/state-machine.ts';
import type { ErrorReason } from '../rpc/error.ts';
import type { Command } from '../rpc/generated/lograft/internal/v1/Command.ts';
import type { CommitOffsets } from '../rpc/generated/lograft/internal/v1/CommitOffsets.ts';
import type { PlaceTopics } from '../rpc/generated/lograft/internal/v1/PlaceTopics.ts';
import type { RecordBatch } from '../rpc/generated/lograft/v1/RecordBatch.ts';
import { CommandCodec, RecordBatchCodec } from '../rpc/protos.ts';
import { greatestTimestampMs } from '../rpc/record-set.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import { Catalogue, type CatalogueTopic } from './catalogue.ts';
import { ConsumerOffsets } from './consumer-offsets.ts';
import { KIND_BATCH, KIND_COMMAND } from './entry-kinds.ts';
import { IndexCleaner } from './index-cleaner.ts';
import { MAX_CONSUMER_GROUPS, MAX_CONSUMER_OFFSETS, MAX_QUEUES_PER_TOPIC, MAX_TOPICS } from './limits.ts';
import { LogTimes, timesValue } from './log-times.ts';
import { type MarkedQueue, Marks, markValue } from './marks.ts';
import {
  type LastRecord,
  type ProducerSession,
  ProducerSessions,
  type ProducerWindow,
  sessionValue,
  windowValue,
} from './producer-sessions.ts';
import { positionValue, type QueueExtent, type QueueState } from './queue-state.ts';
import {
  APPLIED_BYTES_KEY,
  APPLIED_KEY,
  CATALOGUE_KEY,
  catalogueHead,
  catalogueKey,
  catalogueValue,
  FORMAT_KEY,
  indexKey,
  markKey,
  numberValue,
  PLACED_KEY,
  queueKey,
  queueValue,
  STATE_FORMAT,
  sessionKey,
  TIMES_KEY,
  TRIMMED_KEY,
  topicKey,
  topicValue,
  windowKey,
} from './state-keys.ts';
import { decodeSnapshot, encodeSnapshot, type GroupImage, sessionImage } from './state-snapshot.ts';
import { type StoreRound, StoreRounds, type WhenDurable } from './store-rounds.ts';
import { clearStored, loadStored } from './stored-state.ts';
import { Topics } from './topics.ts';

export type ApplyResult =
  | { readonly type: 'appended'; readonly baseOffset: number }
  | { readonly type: 'catalogued'; readonly topic: CatalogueTopic }
  | { readonly type: 'producerOpened'; readonly producerId: number }
  | { readonly type: 'epochTaken'; readonly epoch: number }
  | { readonly type: 'refused'; readonly reason: ErrorReason; readonly message: string }
  | { readonly type: 'nothing' };

export interface BrokerStateEvents {
  /** The group holds other queues than before. */
  onTopicsChanged(): void;
  /** Home group: the catalogue has a new revision. */
  onCatalogueChanged(): void;
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
  #consumers = new ConsumerOffsets();
  #marks = new Marks([]);
  #times = new LogTimes();
  #catalogue = new Catalogue();
  #placedRevision = 0;
  #applied = logIndex(0);
  #appliedBytes = 0;
  #trimmed = logIndex(0);
  /** What the next store round must write. */
  #dirtyQueues = new Set<QueueState>();
  #dirtyWindows = new Set<ProducerWindow>();
  #puts: [Buffer, Buffer][] = [];
  #deletes: Buffer[] = [];
  /** Queues whose topic was deleted: what is stored of them goes once the store knows. */
  #dropped: QueueState[] = [];

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
    state.#placedRevision = stored.placedRevision;
    state.#catalogue = stored.catalogue;
    for (const { extents, ...topic } of stored.topics)
      state.topics.place({ ...topic, queues: [...extents.keys()] }, (queue) => extents.get(queue) as QueueExtent);
    state.#times = new LogTimes(stored.times);
    state.#sessions.restore(stored.sessions, stored.windows);
    state.#consumers.restore(stored.consumers);
    for (const queue of state.topics.queues()) state.#cleaner.clean(queue);
    for (const { topicId, queue } of stored.orphans) state.#cleaner.remove(topicId, queue);
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

  /** Empty unless this is the home group. */
  get catalogue(): Catalogue {
    return this.#catalogue;
  }

  /** Of the catalogue that the group's queues come from. */
  get placedRevision(): number {
    return this.#placedRevision;
  }

  get producers(): number {
    return this.#sessions.size;
  }

  /** What was stored under a producer's name, last on each queue. */
  lastRecordsOf(name: string): readonly LastRecord[] {
    return this.#sessions.lastRecords(name);
  }

  get consumers(): ConsumerOffsets {
    return this.#consumers;
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
    this.#events.onCatalogueChanged();
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
    if (batch.producerId === 0) return this.#appendTo(queue, batch, entry.index);
    const verdict = this.#sessions.judge(batch);
    switch (verdict.type) {
      case 'duplicate':
        return { type: 'appended', baseOffset: verdict.baseOffset };
      case 'unknownProducer':
        return refused('UNKNOWN_PRODUCER', `producer session ${batch.producerId} is not known here: open a new one`);
      case 'fenced':
        return fenced();
      case 'gap':
        return refused(
          'OUT_OF_SEQUENCE',
          `sequence ${batch.firstSequence} does not follow: an earlier batch is missing, send it first`,
        );
      case 'tooOld':
        return refused('DUPLICATE_TOO_OLD', `sequence ${batch.firstSequence} was appended too long ago for its offset to be known`);
      case 'next': {
        const appended = this.#appendTo(queue, batch, entry.index);
        this.#sessions.accept(verdict.window, batch, appended.baseOffset, entry.index);
        this.#dirtyWindows.add(verdict.window);
        this.#forgetSessions(this.#sessions.evict());
        return appended;
      }
    }
  }

  #queueOf(batch: Pick<RecordBatch, 'topicId' | 'queue'>): QueueState | Extract<ApplyResult, { type: 'refused' }> {
    const topic = this.topics.byId(batch.topicId);
    if (topic === undefined) return refused('UNKNOWN_TOPIC', `no topic has the id ${batch.topicId}: was it deleted?`);
    const queue = topic.queues.get(batch.queue);
    return queue ?? refused('UNKNOWN_QUEUE', `this group holds no queue ${batch.queue} of topic ${topic.name}`);
  }

  #appendTo(queue: QueueState, { count, records }: RecordBatch, index: LogIndex): Extract<ApplyResult, { type: 'appended' }> {
    const { baseOffset } = queue.append(count, index, greatestTimestampMs(records));
    this.#dirtyQueues.add(queue);
    return { type: 'appended', baseOffset };
  }

  #applyCommand(command: Command, entry: Entry): ApplyResult {
    switch (command.command) {
      case 'createTopic':
        return this.#createTopic(command.createTopic?.name ?? '', command.createTopic?.queueGroups ?? [], entry.index);
      case 'addQueues':
        return this.#addQueues(command.addQueues?.topicId ?? 0, command.addQueues?.queueGroups ?? [], entry.index);
      case 'deleteTopic':
        return this.#deleteTopic(command.deleteTopic?.topicId ?? 0, entry.index);
      case 'placeTopics':
        if (command.placeTopics !== null && command.placeTopics !== undefined) this.#placeTopics(command.placeTopics);
        return { type: 'nothing' };
      case 'openProducer':
        return this.#openProducer(command.openProducer?.name ?? '', command.openProducer?.epoch ?? 0, entry.index);
      case 'takeEpoch':
        return { type: 'epochTaken', epoch: entry.index };
      case 'commitOffsets':
        return this.#commitOffsets(command.commitOffsets as CommitOffsets);
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

  #createTopic(name: string, queueGroups: readonly string[], revision: LogIndex): ApplyResult {
    assert(
      queueGroups.length >= 1 && queueGroups.length <= MAX_QUEUES_PER_TOPIC,
      'the leader checks topics before it proposes them',
    );
    if (this.#catalogue.byName(name) !== undefined) return refused('TOPIC_EXISTS', `topic ${name} exists already`);
    if (this.#catalogue.topics.size >= MAX_TOPICS)
      return refused('INVALID_REQUEST', `there are ${MAX_TOPICS} topics already, the most a cluster can have`);
    return this.#catalogued(this.#catalogue.create(revision, name, queueGroups));
  }

  #addQueues(id: number, queueGroups: readonly string[], revision: LogIndex): ApplyResult {
    const topic = this.#catalogue.topics.get(id);
    if (topic === undefined) return noTopic(id);
    if (topic.queueGroups.length + queueGroups.length > MAX_QUEUES_PER_TOPIC)
      return refused('INVALID_REQUEST', `a topic has ${MAX_QUEUES_PER_TOPIC} queues at most`);
    return this.#catalogued(this.#catalogue.addQueues(revision, topic, queueGroups));
  }

  #deleteTopic(id: number, revision: LogIndex): ApplyResult {
    const topic = this.#catalogue.topics.get(id);
    if (topic === undefined) return noTopic(id);
    this.#catalogue.delete(revision, topic);
    this.#deletes.push(catalogueKey(id));
    this.#events.onCatalogueChanged();
    return { type: 'catalogued', topic };
  }

  #catalogued(topic: CatalogueTopic): ApplyResult {
    this.#puts.push([catalogueKey(topic.id), catalogueValue(topic)]);
    this.#events.onCatalogueChanged();
    return { type: 'catalogued', topic };
  }

  /** What a leader that did not know the newest catalogue proposed must not bring back what was deleted. */
  #placeTopics({ revision, topics, droppedIds }: PlaceTopics): void {
    if (revision < this.#placedRevision) return;
    this.#placedRevision = revision;
    for (const id of droppedIds) this.#dropTopic(id);
    this.#consumers.forgetTopics(new Set(droppedIds));
    for (const placed of topics) {
      const topic = this.topics.place(placed);
      this.#puts.push([topicKey(topic.id), topicValue(topic)]);
    }
    this.#events.onTopicsChanged();
  }

  #dropTopic(id: number): void {
    const topic = this.topics.drop(id);
    if (topic === undefined) return;
    this.#deletes.push(topicKey(id));
    for (const queue of topic.queues.values()) {
      queue.drop();
      this.#dirtyQueues.delete(queue);
      this.#dropped.push(queue);
    }
    for (const [session, windows] of this.#sessions.dropTopic(id)) {
      this.#forgetWindows(windows);
      // How long it has been silent no longer follows from its windows.
      this.#puts.push([sessionKey(session.producerId), sessionValue(session)]);
    }
  }

  #openProducer(name: string, epoch: number, producerId: LogIndex): ApplyResult {
    const session = this.#sessions.open({ producerId, name, epoch });
    if (session === undefined) return fenced();
    this.#puts.push([sessionKey(producerId), sessionValue(session)]);
    this.#forgetSessions(this.#sessions.evict());
    return { type: 'producerOpened', producerId };
  }

  #commitOffsets({ consumerGroup, offsets, reset }: CommitOffsets): ApplyResult {
    for (const { topicId, queue, offset } of offsets) {
      const held = this.#queueOf({ topicId, queue });
      if (!('topicId' in held)) return held;
      if (offset > held.nextOffset)
        return refused(
          'OFFSET_OUT_OF_RANGE',
          `offset ${offset} is after the end: the next of queue ${queue} is ${held.nextOffset}`,
        );
    }
    if (!this.#consumers.hasRoomFor(consumerGroup, offsets)) {
      const most = `${MAX_CONSUMER_GROUPS} consumer groups and ${MAX_CONSUMER_OFFSETS} offsets`;
      return refused('INVALID_REQUEST', `this group of the cluster keeps ${most} at most, and has as many: nothing was committed`);
    }
    this.#consumers.commit(consumerGroup, offsets, reset);
    return { type: 'nothing' };
  }

  #checkpoint(entry: Entry, wallMs: number): void {
    const queues: MarkedQueue[] = [];
    for (const { topicId, queue, nextOffset } of this.topics.queues())
      if (nextOffset > 0) queues.push({ topicId, queue, nextOffset });
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
    this.#forgetSessions(this.#sessions.expire(this.#times.note(mark)));
    this.#puts.push([TIMES_KEY, timesValue(this.#times.all())]);
    this.#consumers.checkpoint(mark.wallMs);
    this.#events.onCheckpoint(entry, encodeSnapshot(this.#image()));
  }

  #trim(index: number): void {
    const cut = this.#marks.cutAt(index);
    // Thinned out, or cut already, since the leader proposed it.
    if (cut === undefined) return;
    for (const { index: dropped } of cut.dropped) this.#deletes.push(markKey(dropped));
    for (const { topicId, queue: number, nextOffset } of cut.mark.queues) {
      const queue = this.topics.byId(topicId)?.queues.get(number);
      if (queue === undefined) continue;
      queue.trim(nextOffset);
      this.#dirtyQueues.add(queue);
      this.#cleaner.clean(queue);
    }
    this.#trimmed = logIndex(index);
    this.#events.onTrimmed(this.#trimmed);
  }

  #forgetSessions(sessions: readonly ProducerSession[]): void {
    for (const session of sessions) {
      this.#deletes.push(sessionKey(session.producerId));
      this.#forgetWindows(session.windows.values());
    }
  }

  #forgetWindows(windows: Iterable<ProducerWindow>): void {
    for (const window of windows) {
      this.#dirtyWindows.delete(window);
      this.#deletes.push(windowKey(window.producerId, window.topicId, window.queue));
    }
  }

  #image(): GroupImage {
    const topics = this.topics.byAge().map(({ id, name, queueCount, queues }) => ({
      id,
      name,
      queueCount,
      queues: [...queues.keys()],
      nextOffsets: [...queues.values()].map(({ nextOffset }) => nextOffset),
      greatestMs: [...queues.values()].map(({ greatestMs }) => greatestMs),
    }));
    return {
      index: this.#applied,
      appliedBytes: this.#appliedBytes,
      trimmed: this.#trimmed,
      placedRevision: this.#placedRevision,
      marks: this.#marks.all(),
      topics,
      catalogue: this.#catalogue,
      producers: this.#sessions.all().map(sessionImage),
      times: this.#times.all(),
      consumers: this.#consumers.image(),
    };
  }

  #takeImage(image: GroupImage): void {
    this.#applied = logIndex(image.index);
    this.#appliedBytes = image.appliedBytes;
    this.#trimmed = logIndex(image.trimmed);
    this.#marks = new Marks(image.marks);
    this.#placedRevision = image.placedRevision;
    this.#catalogue = image.catalogue;
    this.#takeTopics(image.topics);
    this.#sessions = new ProducerSessions();
    this.#sessions.restore(
      image.producers,
      image.producers.flatMap(({ windows }) => windows),
    );
    this.#times = new LogTimes(image.times);
    this.#consumers = new ConsumerOffsets();
    this.#consumers.restore(image.consumers);
    this.#dirtyAll(image);
  }

  /** Queues that stay are the same objects: readers wait on them. */
  #takeTopics(topics: GroupImage['topics']): void {
    const kept = new Set(topics.map(({ id }) => id));
    for (const { id } of this.topics.all())
      if (!kept.has(id)) for (const queue of this.topics.drop(id)?.queues.values() ?? []) queue.drop();
    for (const image of topics) {
      const { queues } = this.topics.place(image);
      for (const [at, number] of image.queues.entries())
        queues.get(number)?.reset(image.nextOffsets[at] as number, image.greatestMs[at] ?? 0);
    }
  }

  #dirtyAll(image: GroupImage): void {
    this.#deletes = [];
    this.#dropped = [];
    this.#puts = image.marks.map((mark) => [markKey(mark.index), markValue(mark)]);
    for (const topic of this.topics.all()) this.#puts.push([topicKey(topic.id), topicValue(topic)]);
    for (const topic of this.#catalogue.topics.values()) this.#puts.push([catalogueKey(topic.id), catalogueValue(topic)]);
    for (const session of image.producers) this.#puts.push([sessionKey(session.producerId), sessionValue(session)]);
    this.#puts.push([TIMES_KEY, timesValue(image.times)]);
    this.#consumers.noteAll();
    this.#dirtyQueues = new Set(this.topics.queues());
    this.#dirtyWindows = new Set(this.#sessions.all().flatMap(({ windows }) => [...windows.values()]));
  }

  #collect(): StoreRound {
    const puts = this.#puts;
    const queues = this.#dirtyQueues;
    for (const queue of queues) {
      const { topicId } = queue;
      for (const position of queue.takeUnstored())
        puts.push([indexKey(topicId, queue.queue, position.baseOffset), positionValue(position)]);
      puts.push([queueKey(topicId, queue.queue), queueValue(queue)]);
    }
    for (const window of this.#dirtyWindows)
      puts.push([windowKey(window.producerId, window.topicId, window.queue), windowValue(window)]);
    puts.push([APPLIED_KEY, numberValue(this.#applied)], [APPLIED_BYTES_KEY, numberValue(this.#appliedBytes)]);
    puts.push([TRIMMED_KEY, numberValue(this.#trimmed)], [FORMAT_KEY, numberValue(STATE_FORMAT)]);
    puts.push([PLACED_KEY, numberValue(this.#placedRevision)], [CATALOGUE_KEY, catalogueHead(this.#catalogue)]);
    const deletes = this.#deletes;
    this.#consumers.takeChanges(puts, deletes);
    this.#puts = [];
    this.#deletes = [];
    this.#dirtyQueues = new Set();
    this.#dirtyWindows = new Set();
    const dropped = this.#dropped;
    this.#dropped = [];
    const stored = (): void => {
      for (const queue of queues) queue.stored();
      for (const { topicId, queue } of dropped) this.#cleaner.remove(topicId, queue);
    };
    return { applied: this.#applied, puts, deletes, stored };
  }
}

function refused(reason: ErrorReason, message: string): Extract<ApplyResult, { type: 'refused' }> {
  return { type: 'refused', reason, message };
}

function fenced(): Extract<ApplyResult, { type: 'refused' }> {
  return refused('FENCED', 'another instance of this named producer has taken over: nothing was stored, stop');
}

function noTopic(id: number): ApplyResult {
  return refused('UNKNOWN_TOPIC', `no topic has the id ${id}: it was deleted meanwhile`);
}
