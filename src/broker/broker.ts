/** A broker process: opens what is stored, takes part in its groups, serves clients, and leaves in good order. */

import type { Logger } from 'pino';
import { Repeat } from '../base/repeat.ts';
import { sleep } from '../base/sleep.ts';
import { toError } from '../base/to-error.ts';
import { withResolvers } from '../base/with-resolvers.ts';
import { type NodeId, nodeId } from '../raft/types.ts';
import { Introductions, introduce } from '../replica/introductions.ts';
import { NodeNetwork } from '../replica/node-network.ts';
import type { RegistrationInput } from '../rpc/generated/lograft/v1/Registration.ts';
import type { RpcServer } from '../rpc/transport.ts';
import type { DataDirectory } from '../storage/data-directory.ts';
import { serveAdmin } from './admin-service.ts';
import type { BrokerConfig } from './broker-config.ts';
import { type BrokerEnvironment, brokerMachine } from './broker-environment.ts';
import { topicOnWire } from './catalogue.ts';
import { CatalogueFeed } from './catalogue-feed.ts';
import { CatalogueFollower } from './catalogue-follower.ts';
import type { Group } from './group.ts';
import { Groups, isGroupName } from './groups.ts';
import { HostedGroup } from './hosted-group.ts';
import { serveLog } from './log-service.ts';
import type { Introduction } from './member-changes.ts';
import { type PlacedGroup, placeGroups } from './placement.ts';
import { RouterRegistration } from './registration.ts';
import { TopicPlacer } from './topic-placer.ts';
import { VERSION } from './version.ts';

export interface Broker {
  /** "host:port" that others reach it at. */
  readonly address: string;
  /** Resolves when the node must exit: its disk or its state failed. Nothing is acknowledged any more. */
  readonly failed: Promise<Error>;
  /** Hands leadership over, ends streams, makes the state durable, closes. */
  stop(): Promise<void>;
}

/** Calls under way may take this long to end at a shutdown. */
const CLOSE_GRACE_MS = 500;
/** A node that is to be added may still be starting. */
const MEET_WITHIN_MS = 5_000;
const MEET_EVERY_MS = 200;
const OPEN_AT_ONCE = 8;
/** Of one node. */
const MAX_GROUPS = 1_000;
/** What had to wait for room on the disk, say, is tried again. */
const LOOK_AGAIN_MS = 1_000;

/** Resolves when all groups that this node takes part in run; those that have yet to be founded join later. */
export async function startBroker(
  config: BrokerConfig,
  logger: Logger,
  environment: BrokerEnvironment = brokerMachine,
): Promise<Broker> {
  const directory = await environment.openDirectory(config.dataDir, nodeId(config.nodeId));
  const node = new Node(config, directory, logger, environment);
  try {
    await node.start();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

class Node implements Broker {
  readonly address: string;
  readonly #self: NodeId;
  readonly #config: BrokerConfig;
  readonly #directory: DataDirectory;
  readonly #logger: Logger;
  readonly #environment: BrokerEnvironment;
  readonly #startedAtMs: number;
  readonly #failure = withResolvers<Error>();
  readonly #network: NodeNetwork;
  readonly #introductions: Introductions;
  readonly #groups: Groups;
  readonly #hosted: HostedGroup[];
  readonly #home: PlacedGroup;
  readonly #feed: CatalogueFeed;
  readonly #groupNames: readonly string[];
  readonly #registrations: RouterRegistration[] = [];
  #follower: CatalogueFollower | undefined;
  #placer: TopicPlacer | undefined;
  #looks: Repeat | undefined;
  #frontDoor: ReturnType<typeof serveLog> | undefined;
  #server: RpcServer | undefined;
  #announcing = false;
  /** Storage of groups that this node was added to just now. */
  readonly #opening = new Set<Promise<void>>();

  constructor(config: BrokerConfig, directory: DataDirectory, logger: Logger, environment: BrokerEnvironment) {
    this.address = config.advertise;
    this.#self = nodeId(config.nodeId);
    this.#config = config;
    this.#directory = directory;
    this.#logger = logger;
    this.#environment = environment;
    this.#startedAtMs = environment.clock.nowMs();
    const { diskId: disk } = directory.identity;
    this.#network = new NodeNetwork({
      self: this.#self,
      disk,
      address: config.advertise,
      environment,
      log: logger,
      onUnknownGroup: (group, peer, address) => this.#addedTo(group, peer, address),
    });
    this.#introductions = new Introductions(environment);
    const plans = placeGroups(config);
    this.#home = plans[0] as PlacedGroup;
    this.#groups = new Groups({
      self: this.#self,
      home: this.#home.name,
      catalogue: () => this.#follower?.catalogue,
      addressOfLeader: (group) => (group === this.#home.name ? this.#follower?.leaderAddress : undefined),
    });
    this.#feed = new CatalogueFeed(this.#groups, environment.clock);
    this.#groupNames = plans.map(({ name }) => name);
    this.#network.serveCatalogue((stream) => this.#feed.accept(stream));
    this.#hosted = this.#held(plans).map((plan) => this.#host(plan));
  }

  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  async start(): Promise<void> {
    await this.#openAll();
    const { clock, transport } = this.#environment;
    this.#frontDoor = serveLog(this.#groups, this.#config.maxBatchBytes);
    const services = [this.#network.service, this.#frontDoor.service, this.#admin()];
    this.#server = await transport.listen(this.#config.listen, services);
    await this.#join();
    this.#follower = new CatalogueFollower({
      candidates: () => this.#homeAddresses(),
      environment: this.#environment,
      logger: this.#logger,
      onChanged: () => this.#changed(),
    });
    this.#placer = new TopicPlacer(this.#groups, this.#follower, this.#logger);
    this.#looks = new Repeat(clock, LOOK_AGAIN_MS, () => this.#placer?.look());
    for (const address of this.#config.routers)
      this.#registrations.push(new RouterRegistration(address, (told) => this.#describe(told), this.#environment, this.#logger));
    this.#server.setServing(true);
    const groups = this.#hosted.map(({ name }) => name);
    this.#logger.info({ node: this.#self, address: this.address, groups, dataDir: this.#config.dataDir }, 'broker is up');
  }

  async stop(): Promise<void> {
    this.#server?.setServing(false);
    await Promise.all(this.#hosted.map((hosted) => hosted.handOver()));
    this.#groups.shuttingDown = true;
    for (const hosted of this.#hosted) hosted.refuse();
    // Streams end with the new leaders known to the clients; peers see this process go only after that.
    this.#frontDoor?.close();
    await this.close();
    this.#logger.info('broker stopped');
  }

  /** Lets go of everything, whatever of it there is. */
  async close(): Promise<void> {
    this.#groups.shuttingDown = true;
    this.#looks?.close();
    this.#follower?.close();
    this.#feed.close();
    for (const registration of this.#registrations) registration.close();
    for (const hosted of this.#hosted) hosted.stop();
    this.#network.close();
    this.#introductions.close();
    await this.#server?.close(CLOSE_GRACE_MS);
    await Promise.allSettled(this.#opening);
    for (const hosted of this.#hosted) await hosted.close();
    await this.#directory.close();
  }

  /** Those that the configuration places here, and those that this disk takes part in, whatever it says. */
  #held(plans: readonly PlacedGroup[]): PlacedGroup[] {
    const placed = plans.filter(({ members }) => members.some(({ id }) => id === this.#self));
    const names = new Set(placed.map(({ name }) => name));
    const kept = this.#directory.groups.names().filter((name) => !names.has(name));
    return [
      ...placed,
      ...kept.map((name) => plans.find((plan) => plan.name === name) ?? { name, members: [], preferredLeader: '' }),
    ];
  }

  #host(plan: PlacedGroup): HostedGroup {
    const hosted: HostedGroup = new HostedGroup(plan, {
      self: this.#self,
      config: this.#config,
      directory: this.#directory,
      network: this.#network,
      introductions: this.#introductions,
      environment: this.#environment,
      logger: this.#logger,
      onChanged: () => this.#changed(),
      onFailed: (error) => this.#fail(error),
    });
    this.#groups.add(hosted);
    return hosted;
  }

  /** Some at a time: recovery reads whole logs. Rejects when none of them is being opened any more. */
  async #openAll(): Promise<void> {
    for (let at = 0; at < this.#hosted.length; at += OPEN_AT_ONCE) {
      const opened = await Promise.allSettled(this.#hosted.slice(at, at + OPEN_AT_ONCE).map((hosted) => hosted.open()));
      for (const one of opened) if (one.status === 'rejected') throw one.reason;
    }
  }

  /** Waits for those groups that are founded already. */
  async #join(): Promise<void> {
    const isFounded = ({ name }: HostedGroup): boolean => this.#directory.groups.founding(name) !== undefined;
    const founded = this.#hosted.filter(isFounded);
    const others = this.#hosted.filter((hosted) => !founded.includes(hosted));
    Promise.all(others.map((hosted) => hosted.join()))
      .catch((error) => this.#fail(toError(error)))
      .finally(() => this.#introductions.close());
    await Promise.all(founded.map((hosted) => hosted.join()));
  }

  /** Another node's replica of the group took this node in: it learns from there what the group was founded with. */
  #addedTo(name: string, by: NodeId, address: string): void {
    if (this.#groups.shuttingDown || !isGroupName(name) || this.#hosted.length >= MAX_GROUPS) return;
    this.#logger.info({ group: name, by }, 'added to a group');
    const hosted = this.#host({ name, members: [{ id: by, address }], preferredLeader: '' });
    this.#hosted.push(hosted);
    const opened = hosted.open();
    this.#opening.add(opened);
    opened
      .finally(() => this.#opening.delete(opened))
      .then(() => hosted.join())
      .catch((error) => this.#fail(toError(error)))
      .finally(() => this.#introductions.close());
  }

  #fail(error: Error): void {
    this.#logger.fatal({ error: error.message, stack: error.stack }, 'this node cannot go on');
    this.#failure.resolve(error);
  }

  /** Leaders, members, topics: whoever has something to do about it looks, once for all that changes in one go. */
  #changed(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    this.#environment.clock.soon(() => {
      this.#announcing = false;
      this.#feed.look();
      this.#placer?.look();
      for (const registration of this.#registrations) registration.update();
    });
  }

  #admin() {
    const { clock } = this.#environment;
    return serveAdmin({
      groups: this.#groups,
      feed: this.#feed,
      groupNames: this.#groupNames,
      address: this.address,
      version: VERSION,
      uptimeMs: () => clock.nowMs() - this.#startedAtMs,
      isReachable: (peer) => this.#network.isConnected(peer),
      introduce: (group, address) => meet(group, address, this.#environment),
      catalogueRevision: () => this.#follower?.catalogue?.revision ?? 0,
    });
  }

  #homeAddresses(): string[] {
    const held = this.#hosted.find(({ name }) => name === this.#home.name)?.group;
    const members = held === undefined ? this.#home.members : [...held.members, ...this.#home.members];
    return [...new Set(members.map(({ address }) => address))];
  }

  #describe(toldRevision: number): RegistrationInput {
    const catalogue = this.#follower?.catalogue;
    const registration = { node: this.#self, address: this.address, groups: this.#groups.all().map(describeGroup) };
    if (catalogue === undefined || catalogue.revision <= toldRevision) return registration;
    const topics = [...catalogue.topics.values()].map(topicOnWire);
    return { ...registration, catalogue: { revision: catalogue.revision, homeGroup: this.#home.name, topics } };
  }
}

function describeGroup(group: Group) {
  const { role, term } = group.replica.status;
  const members = group.members.map(({ id, address }) => ({ node: id, address }));
  return { group: group.name, term, leader: role === 'leader', members };
}

/** Asks who answers at an address, for as long as a start takes. */
async function meet(group: string, address: string, environment: BrokerEnvironment): Promise<Introduction> {
  const { clock } = environment;
  const deadlineMs = clock.nowMs() + MEET_WITHIN_MS;
  for (;;) {
    try {
      return await introduce(group, address, environment, Math.max(MEET_EVERY_MS, deadlineMs - clock.nowMs()));
    } catch (error) {
      if (clock.nowMs() >= deadlineMs) throw error;
      await sleep(clock, MEET_EVERY_MS);
    }
  }
}
