/**
 * Makes the groups that are led here hold the queues that the catalogue gives them. Whatever was missed, by whichever leader, shows as a difference between
 * the two and is mended: nothing has to be delivered exactly once, or in order.
 */
import type { Logger } from 'pino';
import type { PlacedTopicInput } from '../rpc/generated/lograft/internal/v1/PlacedTopic.ts';
import type { PlaceTopicsInput } from '../rpc/generated/lograft/internal/v1/PlaceTopics.ts';
import { queuesOf } from './catalogue.ts';
import type { CatalogueCopy } from './catalogue-copy.ts';
import type { CatalogueFollower } from './catalogue-follower.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';

/** Topics of one command: a log entry stays small. */
const TOPICS_PER_COMMAND = 100;

export class TopicPlacer {
  readonly #groups: Groups;
  readonly #follower: CatalogueFollower;
  readonly #logger: Logger;
  readonly #working = new Set<string>();

  constructor(groups: Groups, follower: CatalogueFollower, logger: Logger) {
    this.#groups = groups;
    this.#follower = follower;
    this.#logger = logger;
  }

  /** The catalogue changed, or who leads. */
  look(): void {
    for (const group of this.#groups.all()) {
      if (!group.leads) this.#follower.forget(group.name);
      else if (!this.#working.has(group.name) && !this.#follower.hasPlaced(group.name)) this.#lookAt(group);
    }
  }

  #lookAt(group: Group): void {
    this.#working.add(group.name);
    this.#place(group)
      // Leadership moved, or the disk is full: the next look, or the next leader, goes on.
      .catch((error) => this.#logger.debug({ group: group.name, error: String(error) }, 'topics have to wait'))
      .finally(() => this.#working.delete(group.name));
  }

  async #place(group: Group): Promise<void> {
    await group.whenCaughtUp();
    while (group.leads) {
      const { catalogue } = this.#follower;
      // A leader that is itself behind must not undo what a former one did.
      if (catalogue === undefined || catalogue.revision < group.state.placedRevision) return;
      const command = difference(catalogue, group);
      if (command === undefined) return this.#follower.placed(group.name, catalogue.revision);
      await group.command({ placeTopics: command });
    }
  }
}

/** What the group must still take over; undefined when it holds what the catalogue says. */
function difference(catalogue: CatalogueCopy, { name, state }: Group): PlaceTopicsInput | undefined {
  const wanted = catalogue.topicsIn(name);
  const droppedIds = state.topics.byAge().flatMap(({ id }) => (wanted.has(id) ? [] : [id]));
  const topics: PlacedTopicInput[] = [];
  for (const topic of wanted.values()) {
    const held = state.topics.byId(topic.id);
    const queues = queuesOf(topic, name);
    const queueCount = topic.queueGroups.length;
    if (held?.queueCount === queueCount && held.queues.size === queues.length) continue;
    topics.push({ id: topic.id, name: topic.name, queueCount, queues });
  }
  const { revision } = catalogue;
  // First what is to go: a new topic may have the name of an old one.
  if (droppedIds.length > 0) return { revision, droppedIds: droppedIds.slice(0, TOPICS_PER_COMMAND) };
  return topics.length === 0 ? undefined : { revision, topics: topics.slice(0, TOPICS_PER_COMMAND) };
}
