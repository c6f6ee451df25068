/** What this client knows of the cluster: the word of all its routers, merged, and what brokers told it themselves. */
import type { Clock } from '../base/clock.ts';
import type { Catalogue } from '../rpc/generated/lograft/v1/Catalogue.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { RouteGroup } from '../rpc/generated/lograft/v1/RouteGroup.ts';

export interface Leader {
  readonly node: string;
  /** "host:port". */
  readonly address: string;
  readonly term: number;
}

export interface KnownTopic {
  readonly name: string;
  readonly id: number;
  /** Group of each queue, by queue. */
  readonly queueGroups: readonly string[];
}

const MAX_LEARNED_TOPICS = 10_000;
const MAX_LEARNED_NODES = 1_000;

export class RouteBook {
  readonly #clock: Clock;
  readonly #perRouter = new Map<string, Map<string, RouteGroup>>();
  readonly #catalogues = new Map<string, Catalogue>();
  /** Brokers that said they lead. */
  readonly #claims = new Map<string, Leader>();
  readonly #learnedTopics = new Map<string, KnownTopic>();
  readonly #learnedNodes = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  #revision = 0;
  #groups = new Map<string, RouteGroup>();
  /** The newest of `#catalogues`. */
  #catalogue: Catalogue | null = null;
  #topics = new Map<string, KnownTopic>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `listener` after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves at the next change, after `timeoutMs`, or when the signal aborts, whichever comes first. */
  nextChange(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        unsubscribe();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#clock.after(timeoutMs, done);
      const unsubscribe = this.subscribe(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  /** A router's full route. What a router that has just started does not know yet is not unlearnt. */
  published(router: string, route: Route): void {
    const known = this.#perRouter.get(router) ?? new Map<string, RouteGroup>();
    for (const group of route.groups) known.set(group.group, group);
    this.#perRouter.set(router, known);
    if (route.catalogue !== null) this.#catalogued(router, route.catalogue);
    this.#merge();
  }

  /** A broker said of itself that it leads. */
  claimed(group: string, leader: Leader): void {
    if (leader.address === '') return;
    const known = this.leader(group);
    if (known !== undefined && (leader.term < known.term || (leader.term === known.term && leader.address === known.address)))
      return;
    this.#claims.set(group, leader);
    this.#merge();
  }

  /** `address` did not answer as the group's leader: a claim of its own no longer counts. */
  doubt(group: string, address: string): void {
    if (this.#claims.get(group)?.address !== address) return;
    this.#claims.delete(group);
    this.#merge();
  }

  learnNode(node: string, address: string): void {
    if (address === '') return;
    if (this.#learnedNodes.size < MAX_LEARNED_NODES || this.#learnedNodes.has(node)) this.#learnedNodes.set(node, address);
  }

  /** A broker told of a topic that no router has named yet. */
  learnTopic(topic: KnownTopic): void {
    if (this.#learnedTopics.size >= MAX_LEARNED_TOPICS) this.#learnedTopics.clear();
    this.#learnedTopics.set(topic.name, topic);
  }

  forgetTopic(name: string): void {
    this.#learnedTopics.delete(name);
  }

  leader(group: string): Leader | undefined {
    const known = this.#groups.get(group);
    return known === undefined || known.leader === '' || known.leaderAddress === ''
      ? undefined
      : { node: known.leader, address: known.leaderAddress, term: known.term };
  }

  topic(name: string): KnownTopic | undefined {
    return this.#topics.get(name) ?? this.#learnedTopics.get(name);
  }

  groups(): readonly RouteGroup[] {
    return [...this.#groups.values()];
  }

  /** Whose leader creates and changes topics; undefined before a router has told. */
  get homeGroup(): string | undefined {
    return this.#catalogue?.homeGroup;
  }

  /** All of it. `revision` counts the changes this client has seen. */
  route(): Route {
    return { revision: this.#revision, groups: [...this.#groups.values()], catalogue: this.#catalogue };
  }

  /** Addresses of all nodes ever heard of, by name. */
  nodes(): ReadonlyMap<string, string> {
    const nodes = new Map(this.#learnedNodes);
    for (const { members } of this.#groups.values()) for (const { node, address } of members) nodes.set(node, address);
    return nodes;
  }

  #catalogued(router: string, catalogue: Catalogue): void {
    this.#catalogues.set(router, catalogue);
    const newest = [...this.#catalogues.values()].reduce((one, other) => (other.revision > one.revision ? other : one));
    if (newest === this.#catalogue) return;
    this.#catalogue = newest;
    this.#topics = new Map(newest.topics.map((topic) => [topic.name, topic]));
  }

  #merge(): void {
    const merged = new Map<string, RouteGroup>();
    for (const groups of this.#perRouter.values()) {
      for (const group of groups.values()) {
        const other = merged.get(group.group);
        if (other === undefined || isBetter(group, other)) merged.set(group.group, group);
      }
    }
    for (const [group, { node, address, term }] of this.#claims) {
      const other = merged.get(group);
      const claim: RouteGroup = { group, term, leader: node, leaderAddress: address, members: [] };
      if (other === undefined) merged.set(group, claim);
      else if (isBetter(claim, other)) merged.set(group, { ...claim, members: other.members });
      else if (term < other.term) this.#claims.delete(group);
    }
    this.#groups = merged;
    this.#revision += 1;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The higher term is right; in one term there is one leader, and who names it knows more than who does not. */
function isBetter(one: RouteGroup, other: RouteGroup): boolean {
  return one.term > other.term || (one.term === other.term && one.leader !== '' && other.leader === '');
}
