/**
 * All topics of the cluster, and which group holds each queue. Kept by the home group, as a part of its replicated state; the other groups follow it
 * (catalogue-follower.ts). In other groups it stays empty.
 */
import { assert } from '../base/assert.ts';

export interface CatalogueTopic {
  readonly id: number;
  readonly name: string;
  /** By queue. */
  readonly queueGroups: readonly string[];
}

/** The catalogue as it is known somewhere. */
export interface CatalogueView {
  /** Log index of the entry that changed it last; 0: it has never been changed. */
  readonly revision: number;
  readonly topics: ReadonlyMap<number, CatalogueTopic>;
  byName(name: string): CatalogueTopic | undefined;
}

export class Catalogue implements CatalogueView {
  readonly #topics = new Map<number, CatalogueTopic>();
  readonly #byName = new Map<string, CatalogueTopic>();
  #revision: number;
  #lastId: number;

  constructor(revision = 0, lastId = 0, topics: readonly CatalogueTopic[] = []) {
    this.#revision = revision;
    this.#lastId = lastId;
    for (const topic of topics) this.#put(topic);
  }

  get revision(): number {
    return this.#revision;
  }

  /** Highest id ever given. */
  get lastId(): number {
    return this.#lastId;
  }

  get topics(): ReadonlyMap<number, CatalogueTopic> {
    return this.#topics;
  }

  byName(name: string): CatalogueTopic | undefined {
    return this.#byName.get(name);
  }

  create(revision: number, name: string, queueGroups: readonly string[]): CatalogueTopic {
    assert(!this.#byName.has(name), 'a name names one topic');
    this.#changed(revision);
    this.#lastId += 1;
    return this.#put({ id: this.#lastId, name, queueGroups });
  }

  addQueues(revision: number, topic: CatalogueTopic, queueGroups: readonly string[]): CatalogueTopic {
    this.#changed(revision);
    return this.#put({ ...topic, queueGroups: [...topic.queueGroups, ...queueGroups] });
  }

  delete(revision: number, topic: CatalogueTopic): void {
    this.#changed(revision);
    this.#topics.delete(topic.id);
    this.#byName.delete(topic.name);
  }

  #changed(revision: number): void {
    assert(revision > this.#revision, 'revisions grow');
    this.#revision = revision;
  }

  #put(topic: CatalogueTopic): CatalogueTopic {
    assert(topic.id <= this.#lastId, 'ids are given in order');
    this.#topics.set(topic.id, topic);
    this.#byName.set(topic.name, topic);
    return topic;
  }
}

/** The queues of a topic that `group` holds, ascending. */
export function queuesOf({ queueGroups }: CatalogueTopic, group: string): number[] {
  return queueGroups.flatMap((holder, queue) => (holder === group ? [queue] : []));
}

/** As every message names a topic: of the catalogue's stream, of registrations, of Admin. */
export function topicOnWire({ id, name, queueGroups }: CatalogueTopic): { id: number; name: string; queueGroups: string[] } {
  return { id, name, queueGroups: [...queueGroups] };
}
