/** Topics by name and by id, with their queues. */
import { assert } from '../base/assert.ts';
import { QueueState } from './queue-state.ts';

/** Which offsets of a queue are held: from `first`, up to but not with `next`. */
export interface OffsetRange {
  readonly first: number;
  readonly next: number;
}

export interface Topic {
  readonly name: string;
  /** From 1, in order of creation, never used twice. */
  readonly id: number;
  readonly queues: readonly QueueState[];
}

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

  add(name: string, id: number, ranges: readonly OffsetRange[]): Topic {
    assert(!this.#byName.has(name) && !this.#byId.has(id), 'a topic is added once');
    const topic = { name, id, queues: ranges.map(({ first, next }, queue) => new QueueState(id, queue, first, next)) };
    this.#byName.set(name, topic);
    this.#byId.set(id, topic);
    return topic;
  }
}
