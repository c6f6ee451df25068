/**
 * One run of a seed. First safety: clients work while the weather does its worst, and the invariants are asked at every step. Then the
 * weather clears and liveness is demanded: one leader, equal logs, no call without an answer, everything acknowledged readable.
 */
import { nodeId } from '../../src/raft/types.ts';
import type { BrokerMachine } from './cluster/broker-machine.ts';
import { ClientMachine } from './cluster/client-machine.ts';
import { GroupView } from './cluster/group-view.ts';
import { names, nodeNames } from './cluster/names.ts';
import { SimCluster } from './cluster/sim-cluster.ts';
import { Witness } from './cluster/witness.ts';
import type { World } from './cluster/world.ts';
import { Scheduler } from './engine/scheduler.ts';
import { SimRandom } from './engine/sim-random.ts';
import { Trace } from './engine/trace.ts';
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
  const groups = names('g', weather.groups);
  const witnesses = new Map(groups.map((group) => [group, new Witness(ids, ids.slice(0, weather.nodes), scheduler, trace)]));
  const witness = witnesses.get('g1') as Witness;
  const oracle = new Oracle();
  const world: World = { scheduler, random, trace, weather, network, witnesses, witness, oracle };
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
      terms: leaderships(world),
    };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

class Run {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #groups: readonly GroupView[];
  readonly nemesis: Nemesis;

  constructor(world: World) {
    this.#world = world;
    this.#cluster = new SimCluster(world);
    this.#groups = [...world.witnesses].map(
      ([name, witness], at) => new GroupView(name, witness, this.#cluster, preferredLeader(world.weather, at)),
    );
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
    await this.#pass(QUIET_MS);
  }

  async liveness(): Promise<void> {
    const { scheduler, oracle, trace, weather } = this.#world;
    const { producers, brokers } = this.#cluster;
    trace.note(scheduler.nowMs, 'weather', () => 'clears');
    this.nemesis.calm();
    for (const group of this.#groups) group.remember();
    await this.#until('all nodes go on together', LIVENESS_MS, () => this.#groups.every((group) => group.goesOn()));
    for (const producer of producers) producer.close();
    await this.#until('every call is answered', LIVENESS_MS, () => this.#answered());
    const isWell = (): boolean => brokers.every(({ damagedEntries }) => damagedEntries === 0);
    await this.#until('all nodes agree', LIVENESS_MS, () => isWell() && this.#groups.every((group) => group.agrees()));
    const found = damageFound(brokers);
    // A transfer of leadership that was ordered before may still be under way.
    await this.#pass(preferredLeader(weather, 0) === '' ? 2_000 : HAND_BACK_MS);
    const terms = leaderships(this.#world);
    await this.#pass(QUIET_MS);
    // A leader whose scrubber finds only now what has rotted before hands over, and should.
    if (damageFound(brokers) === found) this.#checkLeaders(terms);
    await this.#readEverything();
    oracle.checkComplete('check.1');
    oracle.checkOneWriter();
  }

  #checkLeaders(terms: number): void {
    if (leaderships(this.#world) !== terms) throw new Violation('Liveness', 'a healthy, idle cluster changed a leader');
    for (const group of this.#groups) group.checkPreferredLeader();
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

  async #pass(ms: number): Promise<void> {
    const { scheduler } = this.#world;
    const untilMs = scheduler.nowMs + ms;
    await scheduler.run(() => scheduler.nowMs >= untilMs);
  }

  async #until(what: string, limitMs: number, done: () => boolean): Promise<void> {
    const { scheduler } = this.#world;
    const deadlineMs = scheduler.nowMs + limitMs;
    await scheduler.run(() => done() || scheduler.nowMs >= deadlineMs);
    if (!done()) throw new Violation('Liveness', `not within ${limitMs} ms of clear weather: ${what}. ${this.#describe()}`);
  }

  #describe(): string {
    const groups = this.#groups.map((group) => group.describe());
    return `${groups.join('; ')}. Records: ${JSON.stringify(this.#world.oracle.counts)}`;
  }
}

/** Several groups have one each, as the placement gives them. */
function preferredLeader({ groups, nodes, preferredLeader: chosen }: Weather, group: number): string {
  return groups === 1 ? chosen : (nodeNames(nodes)[group % nodes] as string);
}

function damageFound(brokers: readonly BrokerMachine[]): number {
  return brokers.reduce((sum, broker) => sum + broker.damageFound, 0);
}

function leaderships({ witnesses }: World): number {
  return [...witnesses.values()].reduce((sum, { elections }) => sum + elections.leaders.size, 0);
}
