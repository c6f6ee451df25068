/** Tells every node what the catalogue says, while this one leads the home group, and knows from them which groups have followed it. */
import type { Clock, Timer } from '../base/clock.ts';
import type { CatalogueProgress } from '../rpc/generated/lograft/internal/v1/CatalogueProgress.ts';
import type { CatalogueUpdateInput } from '../rpc/generated/lograft/internal/v1/CatalogueUpdate.ts';
import type { MessageStream, StreamEvents } from '../rpc/stream.ts';
import { type CatalogueTopic, topicOnWire } from './catalogue.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';

type Follower = MessageStream<CatalogueUpdateInput>;

interface Waiter {
  readonly groups: ReadonlySet<string>;
  readonly revision: number;
  readonly resolve: (placed: boolean) => void;
  readonly timer: Timer;
}

export class CatalogueFeed {
  readonly #groups: Groups;
  readonly #clock: Clock;
  readonly #followers = new Set<Follower>();
  /** What the followers were told. */
  #told: ReadonlyMap<number, CatalogueTopic> = new Map();
  readonly #placed = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #telling = false;

  constructor(groups: Groups, clock: Clock) {
    this.#groups = groups;
    this.#clock = clock;
  }

  accept(stream: Follower): StreamEvents<CatalogueProgress> {
    let ended = false;
    this.#admit(stream, () => ended).catch((error) => stream.cancel(error));
    return {
      onMessage: ({ group, revision }) => this.#follows(group, revision),
      onEnd: () => {
        ended = true;
        this.#followers.delete(stream);
        stream.end();
      },
    };
  }

  /** The catalogue, or who leads the home group, may have changed. What changes in one go is told in one message. */
  look(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#clock.soon(() => {
      this.#telling = false;
      this.#tell();
    });
  }

  /** True as soon as the groups have taken over the revision; false when they have not within `timeoutMs`, or this node no longer leads. */
  whenPlaced(groups: ReadonlySet<string>, revision: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => this.#settle(waiter, false));
      const waiter: Waiter = { groups, revision, resolve, timer };
      this.#waiters.add(waiter);
      this.#settleAll();
    });
  }

  close(): void {
    for (const stream of this.#followers) stream.cancel(this.#groups.stopping());
    this.#followers.clear();
    for (const waiter of this.#waiters) this.#settle(waiter, false);
  }

  async #admit(stream: Follower, ended: () => boolean): Promise<void> {
    const home = this.#groups.homeGroup();
    if (!home.leads) throw home.notLeader();
    // Before that a new leader does not know all of the catalogue.
    await home.whenCaughtUp();
    if (!home.leads) throw home.notLeader();
    if (ended()) return;
    this.#tell();
    this.#followers.add(stream);
    const topics = [...home.state.catalogue.topics.values()].map(topicOnWire);
    stream.write({ revision: home.state.catalogue.revision, complete: true, topics });
  }

  #tell(): void {
    const home = this.#home();
    if (home === undefined) return this.#dismiss();
    if (!home.replica.caughtUp) return;
    const { revision, topics } = home.state.catalogue;
    const told = this.#told;
    const changed = [...topics.values()].filter((topic) => told.get(topic.id) !== topic);
    const deletedIds = [...told.keys()].filter((id) => !topics.has(id));
    if (changed.length + deletedIds.length === 0) return;
    this.#told = new Map(topics);
    const update = { revision, complete: false, topics: changed.map(topicOnWire), deletedIds };
    for (const stream of this.#followers) stream.write(update);
  }

  /** This node leads the home group no longer: whoever follows must find who does. */
  #dismiss(): void {
    if (this.#followers.size > 0) {
      const elsewhere = this.#groups.shuttingDown ? this.#groups.stopping() : this.#groups.homeGroup().notLeader();
      for (const stream of this.#followers) stream.cancel(elsewhere);
    }
    this.#followers.clear();
    this.#placed.clear();
    this.#told = new Map();
    for (const waiter of this.#waiters) this.#settle(waiter, false);
  }

  #home(): Group | undefined {
    return this.#groups.all().find(({ name, leads }) => name === this.#groups.home && leads);
  }

  #follows(group: string, revision: number): void {
    if (revision <= (this.#placed.get(group) ?? 0)) return;
    this.#placed.set(group, revision);
    this.#settleAll();
  }

  #settleAll(): void {
    for (const waiter of this.#waiters) {
      const { groups, revision } = waiter;
      if ([...groups].every((group) => (this.#placed.get(group) ?? 0) >= revision)) this.#settle(waiter, true);
    }
  }

  #settle(waiter: Waiter, placed: boolean): void {
    if (!this.#waiters.delete(waiter)) return;
    waiter.timer.cancel();
    waiter.resolve(placed);
  }
}
