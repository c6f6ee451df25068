/** Makes the weather: draws faults, and ends each after a while. */
import type { MemberChange } from '../../../src/client/admin.ts';
import type { Configuration } from '../../../src/raft/configuration.ts';
import { KIND_CONFIGURATION } from '../../../src/raft/types.ts';
import type { StorageError } from '../../../src/storage/errors.ts';
import type { BrokerMachine } from '../cluster/broker-machine.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import type { SimCluster } from '../cluster/sim-cluster.ts';
import type { World } from '../cluster/world.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { LostWrites } from './lost-writes.ts';
import { drawChange, lostMembers, replacing } from './member-changes.ts';
import { changeWhileParted, fallBehind, type Hands, handOverUnheard, replaceDiskOfQuorum } from './plots.ts';
import { hasHead, rot } from './rot.ts';
import { FAULT_KINDS, type FaultKind } from './weather.ts';

export class Nemesis {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #random: SimRandom;
  /** The one whose disk rots, if any does. */
  readonly #cursed: BrokerMachine;
  readonly #lostWrites: LostWrites;
  readonly #hands: Hands;
  #calm = false;
  /** How often each fault happened. */
  readonly counts = new Map<FaultKind, number>();

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = world.random.fork('nemesis');
    this.#cursed = this.#random.pick(cluster.brokers);
    this.#lostWrites = new LostWrites(this.#cursed.disk, this.#random);
    this.#cursed.onRefusal = (error) => this.#refuses(error);
    this.#hands = {
      random: this.#random,
      cluster,
      network: world.network,
      witness: world.witness,
      leader: () => this.#leader(),
      settledConfiguration: () => this.#settledConfiguration(),
      later: (minimumMs, maximumMs, task) => this.#later(minimumMs, maximumMs, task),
      crash: (broker, kind, minimumMs, maximumMs) => this.#crash(broker, kind, minimumMs, maximumMs),
      pause: (broker) => this.#pause(broker),
      wipe: (broker) => this.#wipe(broker),
      ask: (change) => this.#ask(change),
      note: (who, what) => this.#note(who, what),
    };
  }

  start(): void {
    for (const kind of FAULT_KINDS) {
      const rate = this.#world.weather.rates[kind];
      if (rate > 0) this.#next(kind, rate);
    }
  }

  /** The weather clears: everything is up, everybody reaches everybody, and stays so. */
  calm(): void {
    this.#calm = true;
    const { network } = this.#world;
    network.healAll();
    network.calm();
    for (const broker of this.#cluster.brokers) {
      broker.held = false;
      broker.powerOn();
      broker.disk.calm();
      broker.process?.resume();
      broker.start();
    }
    for (const router of this.#cluster.routers) router.start();
    for (const client of this.#cluster.clients) client.start();
  }

  #next(kind: FaultKind, perSecond: number): void {
    const { scheduler } = this.#world;
    scheduler.at(scheduler.nowMs + this.#random.exponential(1_000 / perSecond), 'fault', () => {
      if (this.#calm) return;
      if (this.#strike(kind)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      this.#next(kind, perSecond);
    });
  }

  /** Ends a fault later, unless the weather has cleared by then: that ends them all. */
  #later(minimumMs: number, maximumMs: number, task: () => void): void {
    const { scheduler } = this.#world;
    scheduler.at(scheduler.nowMs + this.#random.between(minimumMs, maximumMs), 'heal', () => {
      if (!this.#calm) task();
    });
  }

  #strike(kind: FaultKind): boolean {
    const { brokers } = this.#cluster;
    switch (kind) {
      case 'killNode':
        return this.#crash(this.#random.pick(brokers), 'process');
      case 'killLeader':
        return this.#killLeader();
      case 'powerCut':
        return this.#crash(this.#random.pick(brokers), 'power');
      case 'powerCutAll':
        return brokers.map((broker) => this.#crash(broker, 'power')).includes(true);
      case 'pauseNode':
        return this.#pause(this.#random.pick(brokers));
      case 'stopNode':
        return this.#stop(this.#random.pick(brokers));
      case 'transferLeader':
        return this.#transfer();
      case 'changeMembers':
        return this.#changeMembers();
      case 'changeWhileParted':
        return changeWhileParted(this.#hands);
      case 'handOverUnheard':
        return handOverUnheard(this.#hands);
      case 'replaceDiskOfQuorum':
        return replaceDiskOfQuorum(this.#hands);
      case 'fallBehind':
        return fallBehind(this.#hands);
      case 'wipeDisk':
        return this.#wipe(this.#random.pick(brokers));
      case 'flipBit':
      case 'zeroSector':
      case 'loseSegment':
      case 'unreadableSector':
      case 'rotSnapshot':
      case 'loseSnapshot':
        return rot(kind, this.#cursed.disk, this.#random);
      case 'loseWrite':
      case 'misdirectWrite':
        return this.#loseWrite(kind);
      case 'loseHead':
        return this.#loseHead();
      case 'partition':
        return this.#partition();
      case 'isolateLeader':
        return this.#isolateLeader();
      case 'cutLink':
        return this.#cut(true);
      case 'cutOneWay':
        return this.#cut(false);
      case 'resetConnections':
        this.#world.network.resetConnections(...this.#twoHosts());
        return true;
      case 'killRouter':
        return this.#killRouter();
      case 'killClient':
        return this.#killClient();
      case 'wallClockJump':
        this.#random.pick(brokers).clockFault.wallOffsetMs += this.#random.between(-3_600_000, 3_600_000);
        return true;
      default:
        return this.#disk(kind, this.#random.pick(brokers));
    }
  }

  #crash(
    broker: BrokerMachine,
    kind: 'process' | 'power',
    minimumMs = 0,
    maximumMs = this.#random.pick([50, 500, 5_000]),
  ): boolean {
    if (!broker.running) return false;
    if (kind === 'power' && broker === this.#cursed && this.#lostWrites.exposed) return false;
    broker.crash(kind);
    broker.held = true;
    this.#later(minimumMs, maximumMs, () => {
      broker.held = false;
      broker.powerOn();
      broker.start();
    });
    return true;
  }

  #killLeader(): boolean {
    const leader = this.#leader();
    return leader !== undefined && this.#crash(leader, this.#random.pick(['process', 'power']));
  }

  #pause(broker: BrokerMachine): boolean {
    const { process } = broker;
    if (process === undefined || !process.alive || process.paused) return false;
    process.pause();
    this.#note(broker.host, 'is paused');
    this.#later(50, 3_000, () => process.resume());
    return true;
  }

  #stop(broker: BrokerMachine): boolean {
    if (!broker.up || broker.held) return false;
    broker.held = true;
    broker
      .stop()
      .then(() => {
        const again = (): void => {
          broker.held = false;
          broker.start();
        };
        if (this.#calm) again();
        else this.#later(0, 1_000, again);
      })
      .catch((error) => this.#world.scheduler.fail(error));
    return true;
  }

  #transfer(): boolean {
    const to = this.#random.chance(0.5) ? '' : this.#random.pick(this.#cluster.brokers).id;
    this.#cluster.operator.transferLeader(to);
    return true;
  }

  #changeMembers(): boolean {
    const configuration = this.#settledConfiguration();
    if (configuration === undefined || this.#cluster.operator.pending > 0) return false;
    const change = drawChange(this.#random, configuration, this.#cluster.brokers);
    if (change === undefined) return false;
    this.#ask(change);
    return true;
  }

  #ask(change: MemberChange): void {
    this.#note('operator', `asks for ${JSON.stringify(change)}`);
    this.#cluster.operator.changeMembers(change);
  }

  #loseWrite(kind: 'loseWrite' | 'misdirectWrite'): boolean {
    if (!this.#lostWrites.arm(kind)) return false;
    // Some time later everybody sees what is on the disk, and not only who starts after a power cut.
    this.#later(1_000, 5_000, () => {
      if (!this.#lostWrites.exposed) this.#cursed.disk.dropCache();
    });
    return true;
  }

  /** Nobody knows what such a log was: the node must refuse to start. */
  #loseHead(): boolean {
    return (
      this.#cursed.up && !this.#cursed.held && this.#canBeLost(this.#cursed) && rot('loseHead', this.#cursed.disk, this.#random)
    );
  }

  /** Where the disk has lost what a node cannot be without, the operator replaces it. */
  #refuses({ code }: StorageError): boolean {
    const expected =
      code === 'DAMAGED_LOG'
        ? this.counts.has('loseHead') && !hasHead(this.#cursed.disk)
        : code === 'DAMAGED_SNAPSHOT' && (this.counts.has('rotSnapshot') || this.counts.has('loseSnapshot'));
    if (expected) this.#replace(this.#cursed);
    return expected;
  }

  #replace(broker: BrokerMachine): void {
    broker.held = true;
    if (this.#calm || this.#canBeLost(broker)) {
      this.#exchangeDisk(broker);
      this.#replaceLost();
    } else this.#later(500, 1_000, () => this.#replace(broker));
  }

  #replaceLost(): void {
    this.#later(500, 2_000, () => {
      const configuration = this.#settledConfiguration();
      const change = configuration && replacing(configuration, this.#cluster.brokers);
      if (change !== undefined && this.#cluster.operator.pending === 0) {
        this.#note('operator', `asks for ${JSON.stringify(change)}`);
        this.#cluster.operator.changeMembers(change);
      }
      this.#replaceLost();
    });
  }

  #wipe(broker: BrokerMachine): boolean {
    if (!broker.up || broker.held || !this.#canBeLost(broker)) return false;
    this.#exchangeDisk(broker);
    return true;
  }

  /** Never more than a minority of the voters, and never while the voters are about to change: nobody can promise anything then. */
  #canBeLost(broker: BrokerMachine): boolean {
    const configuration = this.#settledConfiguration();
    if (configuration === undefined || this.#cluster.operator.pending > 0) return false;
    const { voters } = configuration;
    const lost = lostMembers(configuration, this.#cluster.brokers);
    return !voters.includes(broker.id) || (voters.length >= 3 && lost.length === 0);
  }

  #exchangeDisk(broker: BrokerMachine): void {
    this.#note(broker.host, 'gets a new disk');
    broker.exchangeDisk(this.#cluster.brokers.map(({ id, address }) => ({ id, address })));
    broker.held = true;
    const again = (): void => {
      broker.held = false;
      broker.powerOn();
      broker.start();
    };
    if (this.#calm) again();
    else this.#later(0, 2_000, again);
  }

  /** What all members agree on; undefined while they do not. */
  #settledConfiguration(): Configuration | undefined {
    const { witness } = this.#world;
    const leader = this.#leader();
    const configuration = leader && committedConfiguration(witness.node(leader.id));
    if (configuration === undefined || configuration.outgoing.length > 0) return undefined;
    const text = JSON.stringify(configuration);
    const lost = lostMembers(configuration, this.#cluster.brokers);
    const agree = configuration.voters.every(
      (id) => lost.includes(id) || JSON.stringify(witness.node(id).configuration ?? configuration) === text,
    );
    return agree ? configuration : undefined;
  }

  #partition(): boolean {
    const hosts = this.#random.shuffle(this.#cluster.hosts);
    const at = this.#random.between(1, hosts.length - 1);
    const groups = [hosts.slice(0, at), hosts.slice(at)];
    this.#world.network.partition(groups);
    this.#note('network', `is parted: ${groups.map((group) => group.join(' ')).join(' | ')}`);
    this.#later(100, 4_000, () => this.#world.network.healAll());
    return true;
  }

  #isolateLeader(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const others = this.#cluster.brokers.filter((broker) => broker !== leader).map(({ host }) => host);
    const way = this.#random.pick(['both', 'in', 'out']);
    for (const other of others) {
      if (way !== 'in') this.#world.network.cut(leader.host, other);
      if (way !== 'out') this.#world.network.cut(other, leader.host);
    }
    this.#note(leader.host, `leads and is cut off (${way})`);
    this.#later(100, 4_000, () => this.#world.network.healAll());
    return true;
  }

  #cut(bothWays: boolean): boolean {
    const [from, to] = this.#twoHosts();
    const { network } = this.#world;
    network.cut(from, to);
    if (bothWays) network.cut(to, from);
    this.#note('network', `${from} ${bothWays ? '<' : '-'}-/-> ${to}`);
    this.#later(50, 5_000, () => {
      network.heal(from, to);
      network.heal(to, from);
    });
    return true;
  }

  #killRouter(): boolean {
    const router = this.#random.pick(this.#cluster.routers);
    if (!router.running) return false;
    router.kill();
    this.#later(0, 3_000, () => router.start());
    return true;
  }

  #killClient(): boolean {
    const client = this.#random.pick(this.#cluster.clients);
    if (!client.running) return false;
    client.kill();
    this.#later(0, 1_000, () => client.start());
    return true;
  }

  #disk(kind: FaultKind, broker: BrokerMachine): boolean {
    const { disk } = broker;
    const { scheduler } = this.#world;
    this.#note(broker.host, kind);
    if (kind === 'stallDisk') disk.stallUntil(scheduler.nowMs + this.#random.between(50, 3_000));
    if (kind === 'failSync') disk.failNextSync();
    if (kind === 'slowDisk') {
      disk.slow(this.#random.pick([5, 50]));
      this.#later(500, 5_000, () => disk.slow(1));
    }
    if (kind === 'fillDisk') {
      disk.setCapacity(disk.usedBytes + this.#random.between(0, 100_000));
      this.#later(500, 10_000, () => disk.setCapacity(Number.MAX_SAFE_INTEGER));
    }
    return true;
  }

  #leader(): BrokerMachine | undefined {
    return this.#cluster.brokers.find(({ id, running }) => running && this.#world.witness.node(id).role === 'leader');
  }

  #twoHosts(): [string, string] {
    const [one, other] = this.#random.shuffle(this.#cluster.hosts);
    return [one as string, other as string];
  }

  #note(who: string, what: string): void {
    this.#world.trace.note(this.#world.scheduler.nowMs, who, () => what);
  }
}

/** Leaders change it by themselves, too: until that is committed, whoever has it may lose it again. */
function committedConfiguration({ configuration, memory, commitIndex }: NodeHistory): Configuration | undefined {
  return memory.entries.findLastIndex((entry) => entry?.kind === KIND_CONFIGURATION) <= commitIndex ? configuration : undefined;
}
