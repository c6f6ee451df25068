/**
 * One run of a seed. First safety: clients work while the weather does its worst, and the invariants are asked at every step. Then the
 * weather clears and liveness is demanded: one leader, equal logs, no call without an answer, everything acknowledged readable.
 */
import { nodeId } from '../../src/raft/types.ts';
import { ClientMachine } from './cluster/client-machine.ts';
import { nodeNames } from './cluster/names.ts';
import type { NodeHistory } from './cluster/node-history.ts';
import { SimCluster } from './cluster/sim-cluster.ts';
import { Witness } from './cluster/witness.ts';
import type { World } from './cluster/world.ts';
import { Scheduler } from './engine/scheduler.ts';
import { SimRandom } from './engine/sim-random.ts';
import { Trace } from './engine/trace.ts';
import { lostMembers } from './faults/member-changes.ts';
import { Nemesis } from './faults/nemesis.ts';
import { drawWeather, type Weather } from './faults/weather.ts';
import { Violation } from './invariants/invariant.ts';
import { SimNetwork } from './network/sim-network.ts';
import { Oracle } from './oracle/oracle.ts';
import { readAll } from './workload/reading.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Takes the readable trace, line by line. */
  readonly print?: ((line: string) => void) | undefined;
  /** Replaces parts of what is drawn. */
  readonly weather?: Partial<Weather> | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly fingerprint: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly records: {
    readonly sent: number;
    readonly acknowledged: number;
    readonly failed: number;
    readonly read: number;
    readonly latest: number;
  };
  readonly terms: number;
}

/** From clear weather to a cluster that has caught up and answered everybody: far more than it needs. */
const LIVENESS_MS = 60_000;
/** A leader gives back to the preferred one when that has been well for a while. */
const HAND_BACK_MS = 15_000;
/** A healthy cluster keeps its leader through this, with nobody using it. */
const QUIET_MS = 5_000;

export async function simulate({ seed, print, weather: changes }: SimulationOptions): Promise<SimulationResult> {
  const random = new SimRandom(seed);
  const trace = new Trace(print);
  const scheduler = new Scheduler(trace);
  const weather = { ...drawWeather(random.fork('weather')), ...changes };
  trace.note(0, 'weather', () => JSON.stringify(weather));
  const network = new SimNetwork(scheduler, random.fork('network'), trace, {
    latencyMs: weather.latencyMs,
    peerLoss: weather.peerLoss,
    peerDuplication: weather.peerDuplication,
    peerReorder: weather.peerReorder,
  });
  const ids = nodeNames(weather.nodes + weather.spares).map(nodeId);
  const witness = new Witness(ids, ids.slice(0, weather.nodes), scheduler, trace);
  const oracle = new Oracle();
  const world: World = { scheduler, random, trace, weather, network, witness, oracle };
  const onRejection = (error: unknown): void => scheduler.fail(error);
  process.on('unhandledRejection', onRejection);
  try {
    const run = new Run(world);
    await run.safety();
    await run.liveness();
    return {
      seed,
      fingerprint: trace.fingerprint,
      steps: scheduler.steps,
      simulatedMs: scheduler.nowMs,
      faults: Object.fromEntries(run.nemesis.counts),
      records: oracle.counts,
      terms: witness.elections.leaders.size,
    };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

class Run {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly nemesis: Nemesis;

  constructor(world: World) {
    this.#world = world;
    this.#cluster = new SimCluster(world);
    this.nemesis = new Nemesis(world, this.#cluster);
  }

  async safety(): Promise<void> {
    const { scheduler, weather } = this.#world;
    const { brokers, routers, preparer, operatorMachine, clients, producers } = this.#cluster;
    for (const machine of [...brokers, ...routers, preparer, operatorMachine]) machine.start();
    await this.#until('the topic exists', LIVENESS_MS, () => preparer.done);
    for (const client of clients) client.start();
    this.nemesis.start();
    const endMs = scheduler.nowMs + weather.safetyMs;
    await scheduler.run(() => scheduler.nowMs >= endMs);
    if (!weather.quiet) return;
    for (const producer of producers) producer.close();
    const quietMs = scheduler.nowMs + QUIET_MS;
    await scheduler.run(() => scheduler.nowMs >= quietMs);
  }

  async liveness(): Promise<void> {
    const { scheduler, oracle, witness, trace, weather } = this.#world;
    const { producers } = this.#cluster;
    trace.note(scheduler.nowMs, 'weather', () => 'clears');
    this.nemesis.calm();
    const toReach = Math.max(...[...witness.nodes.values()].map(({ lastIndex }) => lastIndex));
    await this.#until('all nodes go on together', LIVENESS_MS, () => this.#goOn(toReach));
    for (const producer of producers) producer.close();
    await this.#until('every call is answered', LIVENESS_MS, () => this.#answered());
    await this.#until('all nodes agree', LIVENESS_MS, () => this.#agreed());
    // A transfer of leadership that was ordered before may still be under way.
    const settledMs = scheduler.nowMs + (weather.preferredLeader === '' ? 2_000 : HAND_BACK_MS);
    await scheduler.run(() => scheduler.nowMs >= settledMs);
    const terms = witness.elections.leaders.size;
    const quietMs = scheduler.nowMs + QUIET_MS;
    await scheduler.run(() => scheduler.nowMs >= quietMs);
    if (witness.elections.leaders.size !== terms) throw new Violation('Liveness', 'a healthy, idle cluster changed its leader');
    this.#checkPreferredLeader();
    await this.#readEverything();
    oracle.checkComplete('check.1');
  }

  /** There is one leader, and everybody has committed something new since. */
  #goOn(since: number): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const nodes = this.#membersOf(leader);
    if (!nodes.every(({ running, term }) => running && term === leader.term)) return false;
    return nodes.every(({ commitIndex }) => commitIndex >= Math.min(since, leader.lastIndex));
  }

  #agreed(): boolean {
    const leader = this.#leader();
    if (leader === undefined || this.#cluster.brokers.some(({ damagedEntries }) => damagedEntries > 0)) return false;
    if (!this.#hasTakenBack(leader)) return false;
    return this.#membersOf(leader).every(
      (node) =>
        node.running &&
        node.commitIndex === leader.lastIndex &&
        node.lastIndex === leader.lastIndex &&
        node.durable.entries.length === node.memory.entries.length,
    );
  }

  /** Whoever lost its disk is a member with its new one, and votes if it did before. */
  #hasTakenBack({ configuration }: NodeHistory): boolean {
    if (configuration === undefined || lostMembers(configuration, this.#cluster.brokers).length > 0) return false;
    return !configuration.members.some(({ returning }) => returning);
  }

  #checkPreferredLeader(): void {
    const { preferredLeader } = this.#world.weather;
    const leader = this.#leader();
    const wanted = leader && this.#membersOf(leader).find(({ id }) => id === preferredLeader);
    if (wanted === undefined || !leader?.configuration?.voters.includes(wanted.id) || leader === wanted) return;
    throw new Violation('Liveness', `${leader.id} leads, although ${preferredLeader} is well and preferred`);
  }

  /** Nobody knows of a newer one. */
  #leader(): NodeHistory | undefined {
    const nodes = [...this.#world.witness.nodes.values()];
    const leaders = nodes.filter(({ running, role }) => running && role === 'leader');
    return leaders.find((leader) => this.#membersOf(leader).every((node) => node.term <= leader.term));
  }

  /** Those that the leader counts on, unless they came with another disk. */
  #membersOf({ configuration }: NodeHistory): NodeHistory[] {
    const members = configuration?.members ?? [];
    const sound = members.filter(({ id, disk }) => this.#cluster.broker(id)?.diskId === disk);
    return sound.map(({ id }) => this.#world.witness.node(id));
  }

  #answered(): boolean {
    return (
      this.#world.oracle.open === 0 && this.#cluster.operator.pending === 0 && this.#cluster.producers.every(({ done }) => done)
    );
  }

  async #readEverything(): Promise<void> {
    const checker = new ClientMachine('check', this.#world, this.#cluster.routerAddresses, readAll);
    checker.start();
    await this.#until('everything is read', LIVENESS_MS, () => checker.done);
  }

  async #until(what: string, limitMs: number, done: () => boolean): Promise<void> {
    const { scheduler } = this.#world;
    const deadlineMs = scheduler.nowMs + limitMs;
    await scheduler.run(() => done() || scheduler.nowMs >= deadlineMs);
    if (!done()) throw new Violation('Liveness', `not within ${limitMs} ms of clear weather: ${what}. ${this.#describe()}`);
  }

  #describe(): string {
    const { witness, oracle } = this.#world;
    const nodes = [...witness.nodes.values()].map(
      ({ id, running, role, term, lastIndex, commitIndex, appliedIndex }) =>
        `${id} ${running ? role : 'down'} term ${term} last ${lastIndex} commit ${commitIndex} applied ${appliedIndex}`,
    );
    return `${nodes.join('; ')}. Records: ${JSON.stringify(oracle.counts)}`;
  }
}
