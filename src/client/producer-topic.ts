/** One producer's view of a topic: which queue a record goes to. */
import { crc32c } from '@node-rs/crc32';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { AppendLink } from './append-link.ts';
import { ProducerQueue } from './producer-queue.ts';
import type { Bytes } from './record-batch.ts';
import type { KnownTopic } from './route-book.ts';

export class ProducerTopic {
  readonly link: AppendLink;
  readonly #topic: KnownTopic;
  readonly #environment: Environment;
  readonly #maxInFlight: number;
  readonly #onUnknown: () => void;
  readonly #queues = new Map<number, ProducerQueue>();
  /** Where records without a key go until that queue's batch is full or sent. Begins anywhere, so that producers do not march in step. */
  #sticky: number;

  constructor(topic: KnownTopic, link: AppendLink, environment: Environment, maxInFlight: number, onUnknown: () => void) {
    this.#environment = environment;
    this.#topic = topic;
    this.link = link;
    this.#maxInFlight = maxInFlight;
    this.#onUnknown = onUnknown;
    this.#sticky = environment.random.between(0, topic.queues - 1);
  }

  /** Throws UNKNOWN_QUEUE. */
  choose(queue: number | undefined, key: Bytes | undefined): ProducerQueue {
    const { name, queues } = this.#topic;
    if (queue !== undefined) {
      if (Number.isInteger(queue) && queue >= 0 && queue < queues) return this.#queue(queue);
      throw new LograftError('UNKNOWN_QUEUE', `topic ${name} has queues 0 to ${queues - 1}, not ${queue}: the record was not sent`);
    }
    return this.#queue(key === undefined ? this.#sticky : queueOfKey(key, queues));
  }

  queues(): Iterable<ProducerQueue> {
    return this.#queues.values();
  }

  #queue(queue: number): ProducerQueue {
    const known = this.#queues.get(queue);
    if (known !== undefined) return known;
    const made = new ProducerQueue(this.#topic, queue, this.link, {
      maxInFlight: this.#maxInFlight,
      clock: this.#environment.clock,
      onSealed: () => {
        if (queue === this.#sticky) this.#sticky = (queue + 1) % this.#topic.queues;
      },
      onUnknown: this.#onUnknown,
    });
    this.#queues.set(queue, made);
    this.link.add(made);
    return made;
  }
}

/** Queue of a key: CRC-32C of its bytes (UTF-8 for text) modulo the number of queues. */
export function queueOfKey(key: Bytes, queues: number): number {
  return crc32c(key) % queues;
}
