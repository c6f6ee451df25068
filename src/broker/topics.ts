/** The topics of which a group holds queues, by name and by id. */
import { assert } from '../base/assert.ts';
import { type QueueExtent, QueueState } from './queue-state.ts';

/** A topic as one group sees it. */
export interface Topic {
  readonly name: string;
  /** From the catalogue: never used twice in a cluster. */
  readonly id: number;
  /** Of the whole topic. */
  readonly queueCount: number;
  /** Those that this group holds, by number, ascending. */
  readonly queues: ReadonlyMap<number, QueueState>;
}

export const EMPTY_QUEUE: QueueExtent = { firstOffset: 0, nextOffset: 0, greatestMs: 0 };

export class Topics {
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<number, Topic>();

  get size(): number {
    return this.#byName.size;
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): Topic | undefined {
    return this.#byId.get(id);
  }

  /** Sorted by name. */
  all(): readonly Topic[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** In order of creation. */
  byAge(): readonly Topic[] {
    return [...this.#byId.values()].sort((a, b) => a.id - b.id);
  }

  /** All queues of all topics. */
  queues(): readonly QueueState[] {
    return this.byAge().flatMap(({ queues }) => [...queues.values()]);
  }

  /** Adds the topic, or gives one that is here more queues. Queues that are here stay as they are; `extent` says what new ones hold. */
  place(
    { id, name, queueCount, queues }: { id: number; name: string; queueCount: number; queues: readonly number[] },
    extent: (queue: number) => QueueExtent = () => EMPTY_QUEUE,
  ): Topic {
    const known = this.#byId.get(id);
    assert(known === undefined || known.name === name, 'an id names one topic');
    assert(known !== undefined || !this.#byName.has(name), 'a name names one topic at a time');
    const placed = new Map(known?.queues);
    for (const queue of queues) {
      if (!placed.has(queue)) placed.set(queue, new QueueState(id, queue, extent(queue)));
    }
    const topic = { name, id, queueCount, queues: new Map([...placed].sort(([one], [other]) => one - other)) };
    this.#byName.set(name, topic);
    this.#byId.set(id, topic);
    return topic;
  }

  drop(id: number): Topic | undefined {
    const topic = this.#byId.get(id);
    if (topic === undefined) return undefined;
    this.#byId.delete(id);
    this.#byName.delete(topic.name);
    return topic;
  }
}
