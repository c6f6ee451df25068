/** The groups of this node, and which of them a call is for. */
import { isNodeId, type NodeId } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { CatalogueTopic, CatalogueView } from './catalogue.ts';
import type { Group } from './group.ts';
import type { QueueState } from './queue-state.ts';
import type { Topic } from './topics.ts';

/** A group that the node shall hold; `group` is undefined until it takes part. */
export interface HeldGroup {
  readonly name: string;
  readonly group: Group | undefined;
}

export interface HeldQueue {
  readonly group: Group;
  readonly topic: Topic;
  readonly queue: QueueState;
}

export class Groups {
  readonly self: NodeId;
  /** Keeps the catalogue of topics. */
  readonly home: string;
  readonly #held = new Map<string, HeldGroup>();
  readonly #catalogue: () => CatalogueView | undefined;
  readonly #addressOfLeader: (group: string) => string | undefined;
  shuttingDown = false;

  constructor(options: {
    readonly self: NodeId;
    readonly home: string;
    /** What this node knows of it. */
    readonly catalogue: () => CatalogueView | undefined;
    /** Of a group that this node holds no replica of, if it can be known. */
    readonly addressOfLeader: (group: string) => string | undefined;
  }) {
    this.self = options.self;
    this.home = options.home;
    this.#catalogue = options.catalogue;
    this.#addressOfLeader = options.addressOfLeader;
  }

  add(held: HeldGroup): void {
    this.#held.set(held.name, held);
  }

  /** Those that the node takes part in. */
  all(): readonly Group[] {
    return [...this.#held.values()].flatMap(({ group }) => (group === undefined ? [] : [group]));
  }

  /** Names of those it does not take part in yet. */
  joining(): readonly string[] {
    return [...this.#held.values()].filter(({ group }) => group === undefined).map(({ name }) => name);
  }

  /** Throws SHUTTING_DOWN, NO_LEADER while the group has yet to be founded, INVALID_REQUEST for a group that this node does not hold. */
  named(name: string): Group {
    if (this.shuttingDown) throw this.stopping();
    const held = this.#held.get(name);
    if (held?.group !== undefined) return held.group;
    if (held !== undefined) throw this.#notFounded(name);
    const names = [...this.#held.keys()].join(', ');
    throw new LograftError(
      'INVALID_REQUEST',
      `node ${this.self} holds ${names === '' ? 'no group' : names}, not ${JSON.stringify(name.slice(0, 200))}`,
    );
  }

  /** As `named`; without a name, the group of a node that takes part in one only. */
  namedOrOnly(name: string): Group {
    const all = this.all();
    const [only] = all;
    if (name !== '') return this.named(name);
    if (only !== undefined && all.length === 1) return only;
    throw new LograftError('INVALID_REQUEST', `group: node ${this.self} takes part in ${all.length}, say which one is meant`);
  }

  /** The home group, for what only its leader does. Throws NOT_LEADER when this node holds no replica of it. */
  homeGroup(): Group {
    if (this.shuttingDown) throw this.stopping();
    const held = this.#held.get(this.home);
    if (held === undefined) throw this.#elsewhere(this.home);
    if (held.group === undefined) throw this.#notFounded(this.home);
    return held.group;
  }

  /** Where the queue of a topic, by its id, is held here. Throws UNKNOWN_TOPIC, UNKNOWN_QUEUE, NOT_PLACED, NOT_LEADER, NO_LEADER, SHUTTING_DOWN. */
  queueOf(topicId: number, queue: number): HeldQueue {
    return (
      this.#find((group) => group.state.topics.byId(topicId), queue) ??
      this.#missing(this.#catalogue()?.topics.get(topicId), `the id ${topicId}`, queue)
    );
  }

  /** The same by the topic's name. */
  queueNamed(name: string, queue: number): HeldQueue {
    return (
      this.#find((group) => group.state.topics.byName(name), queue) ??
      this.#missing(this.#catalogue()?.byName(name), `the name ${JSON.stringify(name.slice(0, 200))}`, queue)
    );
  }

  /** What is known of a topic, and the queues of it that are held here. Throws UNKNOWN_TOPIC, NO_LEADER, SHUTTING_DOWN. */
  topicNamed(name: string): { readonly topic: CatalogueTopic; readonly held: readonly HeldQueue[] } {
    if (this.shuttingDown) throw this.stopping();
    const topic = this.#catalogue()?.byName(name);
    if (topic === undefined) throw this.#unknownTopic(`the name ${JSON.stringify(name.slice(0, 200))}`);
    const held = this.all().flatMap((group) => {
      const placed = group.state.topics.byId(topic.id);
      return placed === undefined ? [] : [...placed.queues.values()].map((queue) => ({ group, topic: placed, queue }));
    });
    return { topic, held };
  }

  stopping(): LograftError {
    return new LograftError('SHUTTING_DOWN', `node ${this.self} is shutting down: go on at another node`);
  }

  #find(topicIn: (group: Group) => Topic | undefined, queue: number): HeldQueue | undefined {
    for (const { group } of this.#held.values()) {
      const topic = group && topicIn(group);
      const state = topic?.queues.get(queue);
      if (group !== undefined && topic !== undefined && state !== undefined) return { group, topic, queue: state };
    }
    return undefined;
  }

  #missing(topic: CatalogueTopic | undefined, what: string, queue: number): never {
    if (this.shuttingDown) throw this.stopping();
    if (topic === undefined) throw this.#unknownTopic(what);
    const { name, queueGroups } = topic;
    const holder = queueGroups[queue];
    if (holder === undefined)
      throw new LograftError('UNKNOWN_QUEUE', `topic ${name} has queues 0 to ${queueGroups.length - 1}, not ${queue}`);
    if (!this.#held.has(holder)) throw this.#elsewhere(holder);
    throw new LograftError(
      'NOT_PLACED',
      `group ${holder} has not been told of queue ${queue} of topic ${name} yet: try again soon`,
    );
  }

  /** Without the catalogue nobody can say that there is no such topic. */
  #unknownTopic(what: string): LograftError {
    if (this.#catalogue() !== undefined) return new LograftError('UNKNOWN_TOPIC', `no topic has ${what}: create it first`);
    return new LograftError('NO_LEADER', `node ${this.self} does not know the topics yet: try again soon, or another node`);
  }

  #elsewhere(group: string): LograftError {
    const leaderAddress = this.#addressOfLeader(group);
    const hint = leaderAddress === undefined ? 'ask a router which nodes do' : `ask at ${leaderAddress}`;
    return new LograftError('NOT_LEADER', `node ${this.self} holds no replica of group ${group}: ${hint}`, { leaderAddress });
  }

  #notFounded(group: string): LograftError {
    return new LograftError(
      'NO_LEADER',
      `node ${this.self} does not take part in group ${group} yet. Nothing was done, try again soon`,
    );
  }
}

/** A group's name is a directory's as well. */
export function isGroupName(name: string): boolean {
  return isNodeId(name) && !name.startsWith('.');
}
