/** What a node knows of the catalogue: a copy that follows the home group's, by revision. */
import type { CatalogueUpdate } from '../rpc/generated/lograft/internal/v1/CatalogueUpdate.ts';
import type { CatalogueTopic, CatalogueView } from './catalogue.ts';

const NONE: ReadonlyMap<number, CatalogueTopic> = new Map();

export class CatalogueCopy implements CatalogueView {
  readonly #topics = new Map<number, CatalogueTopic>();
  readonly #byName = new Map<string, CatalogueTopic>();
  readonly #byGroup = new Map<string, Map<number, CatalogueTopic>>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get topics(): ReadonlyMap<number, CatalogueTopic> {
    return this.#topics;
  }

  byName(name: string): CatalogueTopic | undefined {
    return this.#byName.get(name);
  }

  /** The topics of which the group holds queues. */
  topicsIn(group: string): ReadonlyMap<number, CatalogueTopic> {
    return this.#byGroup.get(group) ?? NONE;
  }

  /** Takes what the home group's leader says. False when it is older than what is known: a former leader may still speak. */
  take({ revision, complete, topics, deletedIds }: CatalogueUpdate): boolean {
    if (revision < this.#revision) return false;
    this.#revision = revision;
    const named = new Set(topics.map(({ id }) => id));
    const gone = complete ? [...this.#topics.keys()].filter((id) => !named.has(id)) : deletedIds;
    for (const id of gone) this.#remove(id);
    for (const topic of topics) this.#put(topic);
    return true;
  }

  #put(topic: CatalogueTopic): void {
    this.#remove(topic.id);
    this.#topics.set(topic.id, topic);
    this.#byName.set(topic.name, topic);
    for (const group of new Set(topic.queueGroups)) {
      const topics = this.#byGroup.get(group) ?? new Map<number, CatalogueTopic>();
      this.#byGroup.set(group, topics.set(topic.id, topic));
    }
  }

  #remove(id: number): void {
    const topic = this.#topics.get(id);
    if (topic === undefined) return;
    this.#topics.delete(id);
    if (this.#byName.get(topic.name) === topic) this.#byName.delete(topic.name);
    for (const group of topic.queueGroups) this.#byGroup.get(group)?.delete(id);
  }
}
