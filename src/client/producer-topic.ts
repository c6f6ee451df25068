/** One producer's view of a topic: which queue a record goes to. */
import { crc32c } from '@node-rs/crc32';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { AppendLink } from './append-link.ts';
import { ProducerQueue } from './producer-queue.ts';
import type { Bytes } from './record-batch.ts';
import type { KnownTopic } from './route-book.ts';

export interface ProducerTopicHost {
  linkTo(group: string): AppendLink;
  readonly environment: Environment;
  readonly maxInFlight: number;
  onUnknown(): void;
}

export class ProducerTopic {
  #topic: KnownTopic;
  readonly #host: ProducerTopicHost;
  readonly #queues = new Map<number, ProducerQueue>();
  /** Where records without a key go until that queue's batch is full or sent. Begins anywhere, so that producers do not march in step. */
  #sticky: number;

  constructor(topic: KnownTopic, host: ProducerTopicHost) {
    this.#topic = topic;
    this.#host = host;
    this.#sticky = host.environment.random.between(0, topic.queueGroups.length - 1);
  }

  /** The topic may have more queues by now. */
  follow(newest: KnownTopic | undefined): this {
    if (newest?.id === this.#topic.id && newest.queueGroups.length > this.#topic.queueGroups.length) this.#topic = newest;
    return this;
  }

  /** Throws UNKNOWN_QUEUE. */
  choose(queue: number | undefined, key: Bytes | undefined): ProducerQueue {
    const { name, queueGroups } = this.#topic;
    const { length: count } = queueGroups;
    if (queue !== undefined) {
      if (Number.isInteger(queue) && queue >= 0 && queue < count) return this.#queue(queue);
      throw new LograftError('UNKNOWN_QUEUE', `topic ${name} has queues 0 to ${count - 1}, not ${queue}: the record was not sent`);
    }
    return this.#queue(key === undefined ? this.#sticky : queueOfKey(key, count));
  }

  queues(): Iterable<ProducerQueue> {
    return this.#queues.values();
  }

  #queue(queue: number): ProducerQueue {
    const known = this.#queues.get(queue);
    if (known !== undefined) return known;
    const link = this.#host.linkTo(this.#topic.queueGroups[queue] as string);
    const made = new ProducerQueue(this.#topic, queue, link, {
      maxInFlight: this.#host.maxInFlight,
      clock: this.#host.environment.clock,
      onSealed: () => {
        if (queue === this.#sticky) this.#sticky = (queue + 1) % this.#topic.queueGroups.length;
      },
      onUnknown: () => this.#host.onUnknown(),
    });
    this.#queues.set(queue, made);
    link.add(made);
    return made;
  }
}

/** Queue of a key: CRC-32C of its bytes (UTF-8 for text) modulo the number of queues. */
export function queueOfKey(key: Bytes, queues: number): number {
  return crc32c(key) % queues;
}
