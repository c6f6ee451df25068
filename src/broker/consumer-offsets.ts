/**
 * How far consumer groups have read the queues of this group: what they committed, and nothing of who they are. Part of the replicated state, so every
 * change follows from the log alone.
 */
import { assert } from '../base/assert.ts';
import { CONSUMER_GROUP_KEPT_MS, MAX_CONSUMER_GROUPS, MAX_CONSUMER_OFFSETS } from './limits.ts';
import { consumerKey, consumerOffsetKey, numberValue } from './state-keys.ts';

export interface ConsumerOffset {
  readonly topicId: number;
  readonly queue: number;
  /** Of the first record not read yet. */
  readonly offset: number;
}

export interface ConsumerImage {
  readonly name: string;
  /** Time of the first checkpoint after its last commit; 0: it has committed since the last one. */
  readonly idleSinceMs: number;
  /** By topic and queue. */
  readonly offsets: readonly ConsumerOffset[];
}

interface Consumer {
  idleSinceMs: number;
  readonly offsets: Map<string, ConsumerOffset>;
}

export class ConsumerOffsets {
  readonly #consumers = new Map<string, Consumer>();
  /** Over all consumer groups. */
  #offsets = 0;
  /** What is not stored yet, by key. A name may come back: the last word counts. */
  #changes = new Map<string, readonly [Buffer, Buffer | undefined]>();

  /** Of one consumer group, by topic and queue; empty when it has committed nothing. */
  of(name: string): readonly ConsumerOffset[] {
    return [...(this.#consumers.get(name)?.offsets.values() ?? [])].sort(byQueue);
  }

  hasRoomFor(name: string, offsets: readonly ConsumerOffset[]): boolean {
    const consumer = this.#consumers.get(name);
    const added = offsets.filter((offset) => !consumer?.offsets.has(queueName(offset))).length;
    if (this.#offsets + added > MAX_CONSUMER_OFFSETS) return false;
    return consumer !== undefined || this.#consumers.size < MAX_CONSUMER_GROUPS;
  }

  /** Never goes back unless it is a reset: commits may overtake each other, and be sent again. */
  commit(name: string, offsets: readonly ConsumerOffset[], reset: boolean): void {
    assert(this.hasRoomFor(name, offsets), 'what has no room is refused');
    const consumer = this.#consumers.get(name) ?? { idleSinceMs: 0, offsets: new Map() };
    if (!this.#consumers.has(name) || consumer.idleSinceMs > 0) this.#markActive(name, consumer);
    for (const offset of offsets) {
      const known = consumer.offsets.get(queueName(offset));
      if (known !== undefined && (reset ? known.offset === offset.offset : known.offset >= offset.offset)) continue;
      if (known === undefined) this.#offsets += 1;
      const { topicId, queue } = offset;
      consumer.offsets.set(queueName(offset), { topicId, queue, offset: offset.offset });
      this.#note(consumerOffsetKey(name, topicId, queue), numberValue(offset.offset));
    }
  }

  /**
   * Forgets consumer groups that have been idle for too long. Idleness is counted from the first checkpoint after the last commit, by the clocks of the
   * leaders that proposed the checkpoints: so two of them always lie between, and a clock that leaps ends nobody who commits.
   */
  checkpoint(wallMs: number): void {
    for (const [name, consumer] of this.#consumers) {
      if (consumer.idleSinceMs === 0) {
        consumer.idleSinceMs = wallMs;
        this.#note(consumerKey(name), numberValue(wallMs));
      } else if (wallMs - consumer.idleSinceMs >= CONSUMER_GROUP_KEPT_MS) this.#forget(name, consumer, () => true);
    }
  }

  /** The topics were deleted. */
  forgetTopics(ids: ReadonlySet<number>): void {
    if (ids.size === 0) return;
    for (const [name, consumer] of this.#consumers) this.#forget(name, consumer, ({ topicId }) => ids.has(topicId));
  }

  /** The same on every replica, in whatever order its consumer groups came. */
  image(): readonly ConsumerImage[] {
    const names = [...this.#consumers.keys()].sort();
    return names.map((name) => ({ name, idleSinceMs: this.#consumers.get(name)?.idleSinceMs ?? 0, offsets: this.of(name) }));
  }

  restore(images: readonly ConsumerImage[]): void {
    assert(this.#consumers.size === 0, 'offsets are restored once');
    for (const { name, idleSinceMs, offsets } of images) {
      this.#consumers.set(name, { idleSinceMs, offsets: new Map(offsets.map((offset) => [queueName(offset), offset])) });
      this.#offsets += offsets.length;
    }
  }

  /** The store holds nothing of it: all is to be stored. */
  noteAll(): void {
    for (const { name, idleSinceMs, offsets } of this.image()) {
      this.#note(consumerKey(name), numberValue(idleSinceMs));
      for (const { topicId, queue, offset } of offsets) this.#note(consumerOffsetKey(name, topicId, queue), numberValue(offset));
    }
  }

  /** Adds what is to be stored now. */
  takeChanges(puts: [Buffer, Buffer][], deletes: Buffer[]): void {
    for (const [key, value] of this.#changes.values()) {
      if (value === undefined) deletes.push(key);
      else puts.push([key, value]);
    }
    this.#changes = new Map();
  }

  #markActive(name: string, consumer: Consumer): void {
    consumer.idleSinceMs = 0;
    this.#consumers.set(name, consumer);
    this.#note(consumerKey(name), numberValue(0));
  }

  #forget(name: string, { offsets }: Consumer, isGone: (offset: ConsumerOffset) => boolean): void {
    for (const [key, offset] of offsets) {
      if (!isGone(offset)) continue;
      offsets.delete(key);
      this.#offsets -= 1;
      this.#note(consumerOffsetKey(name, offset.topicId, offset.queue), undefined);
    }
    if (offsets.size > 0) return;
    this.#consumers.delete(name);
    this.#note(consumerKey(name), undefined);
  }

  #note(key: Buffer, value: Buffer | undefined): void {
    this.#changes.set(key.toString('latin1'), [key, value]);
  }
}

function queueName({ topicId, queue }: ConsumerOffset): string {
  return `${topicId}/${queue}`;
}

function byQueue(one: ConsumerOffset, other: ConsumerOffset): number {
  return one.topicId - other.topicId || one.queue - other.queue;
}
