/** A machine that runs a broker: its disk outlives the processes. */
import type { Logger } from 'pino';
import { type Broker, startBroker } from '../../../src/broker/broker.ts';
import { BROKER_DEFAULTS, type BrokerConfig } from '../../../src/broker/broker-config.ts';
import type { BrokerEnvironment } from '../../../src/broker/broker-environment.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import { type DataDirectory, openDataDirectory } from '../../../src/storage/data-directory.ts';
import { StorageError } from '../../../src/storage/errors.ts';
import type { RaftLog, RaftLogEvents } from '../../../src/storage/raft-log.ts';
import { SimDisk } from '../disk/sim-disk.ts';
import { SimKeyedState } from '../disk/sim-keyed-state.ts';
import { type ClockFault, SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { ObservedLog, witnessedEvents } from './observed-log.ts';
import { simLogger } from './sim-logger.ts';
import type { Witness } from './witness.ts';
import type { World } from './world.ts';

/** Whatever starts brokers in production starts one that failed again, after a while. */
const RESTART_AFTER_FAILURE_MS = 500;
const MAX_BATCH_BYTES = 16 * 1024;

export class BrokerMachine {
  readonly id: NodeId;
  readonly host: string;
  readonly disk: SimDisk;
  readonly #keyed: SimKeyedState;
  readonly #world: World;
  readonly #random: SimRandom;
  #config: BrokerConfig;
  readonly address: string;
  readonly clockFault: ClockFault;
  /** Of the disk it has now; undefined while it has never been used. */
  diskId: string | undefined;
  #process: SimProcess | undefined;
  #broker: Broker | undefined;
  #logs = new Map<string, RaftLog>();
  /** Asked when it cannot go on with what its disk has: whether that had to be so. Whoever says yes sees to it. */
  onRefusal: (error: StorageError) => boolean = () => false;
  /** Set while the weather keeps it down. */
  held = false;
  starts = 0;
  /** How often its log met damage while it ran. */
  damageFound = 0;

  constructor(id: NodeId, world: World, members: BrokerConfig['members'], routers: readonly string[]) {
    const { scheduler, trace, weather } = world;
    this.id = id;
    this.host = id;
    this.#world = world;
    this.#random = world.random.fork(`machine ${id}`);
    this.disk = new SimDisk(scheduler, this.#random.fork('disk'), trace, { name: id });
    this.#keyed = new SimKeyedState(scheduler, this.#random.fork('keyed'));
    this.clockFault = { rate: 1 + weather.clockDrift * (2 * this.#random.fraction() - 1), wallOffsetMs: 0 };
    const address = members.find((member) => member.id === id)?.address as string;
    this.#config = {
      ...BROKER_DEFAULTS,
      nodeId: id,
      listen: address,
      advertise: address,
      dataDir: '/data',
      members,
      routers,
      maxBatchBytes: MAX_BATCH_BYTES,
      heartbeatIntervalMs: weather.heartbeatIntervalMs,
      electionTimeoutMinMs: weather.electionTimeoutMs,
      electionTimeoutMaxMs: 2 * weather.electionTimeoutMs,
      segmentBytes: weather.segmentBytes,
      cacheBytes: weather.cacheBytes,
      replicaGroups: weather.groups,
      preferredLeader: weather.preferredLeader,
      retentionMs: weather.retentionMs,
      retentionBytes: weather.retentionBytes,
      catchUpBytesPerSecond: weather.catchUpBytesPerSecond,
    };
    this.address = address;
  }

  get running(): boolean {
    return this.#process?.alive === true;
  }

  get up(): boolean {
    return this.running && this.#broker !== undefined;
  }

  /** Entries that its disk has damaged and that it has not got back. */
  get damagedEntries(): number {
    if (!this.running) return 0;
    return [...this.#logs.values()].reduce((sum, log) => sum + log.damaged().length, 0);
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }

  start(): void {
    if (this.running) return;
    const { scheduler, trace, network } = this.#world;
    this.starts += 1;
    const process = new SimProcess(this.id, scheduler, this.clockFault);
    this.#process = process;
    this.#logs = new Map();
    const logger = simLogger(this.id, scheduler, trace);
    trace.note(scheduler.nowMs, this.id, () => `starts for the ${this.starts}. time`);
    const environment: BrokerEnvironment = {
      clock: process.clock,
      random: this.#random.fork(`run ${this.starts}`),
      transport: network.transport(process, this.host),
      openDirectory: (dataDir) => this.#openDirectory(process, dataDir),
      observe: (group) => this.#witness(group).replicaOf(this.id),
      raftLimits: this.#world.weather.raftLimits,
      snapshotPieceBytes: this.#world.weather.snapshotPieceBytes,
      lostDiskAfterMs: this.#world.weather.lostDiskAfterMs,
    };
    startBroker(this.#config, logger, environment).then(
      (broker) => this.#started(process, broker, logger),
      (error) => this.#failed(process, error),
    );
  }

  /** SIGKILL, or the power goes. */
  crash(kind: 'process' | 'power'): void {
    if (kind === 'power') this.#world.network.powerOff(this.host);
    this.#end();
    this.disk.crash(kind);
    this.#keyed.crash(kind);
    this.#world.trace.note(this.#world.scheduler.nowMs, this.id, () => (kind === 'power' ? 'loses power' : 'is killed'));
  }

  /** The machine gets a new disk, empty, and its configuration names everybody: alone among new disks, a node would found a group of its own. */
  exchangeDisk(everybody: BrokerConfig['members']): void {
    this.#config = { ...this.#config, members: everybody };
    this.crash('power');
    this.disk.wipe();
    this.#keyed.wipe();
    this.diskId = undefined;
    for (const witness of this.#world.witnesses.values()) witness.node(this.id).wiped();
  }

  powerOn(): void {
    this.#world.network.powerOn(this.host);
  }

  /** SIGTERM: resolves when it has gone. */
  async stop(): Promise<void> {
    const broker = this.#broker;
    const process = this.#process;
    if (broker === undefined || process === undefined || !process.alive) return;
    this.#world.trace.note(this.#world.scheduler.nowMs, this.id, () => 'is told to stop');
    await broker.stop();
    if (!process.alive) return;
    this.#end();
    this.disk.crash('process');
  }

  async #openDirectory(process: SimProcess, dataDir: string): Promise<DataDirectory> {
    const chance = this.#random.fork(`ids ${this.starts}`);
    const randomBytes = (length: number) => Buffer.from(Array.from({ length }, () => chance.between(0, 255)));
    const directory = await openDataDirectory(this.disk.mount(process), dataDir, this.id, {
      openKeyed: async () => this.#keyed.mount(process),
      randomBytes,
    });
    this.diskId = directory.identity.diskId;
    return {
      ...directory,
      openGroup: async (group, options, events) => {
        const { scrubPauseMs } = this.#world.weather;
        const settings = { ...options, randomBytes, scrubFirstAfterMs: scrubPauseMs, scrubPauseMs };
        const witness = this.#witness(group);
        const logWitness = witness.logOf(this.id, () => process.alive);
        const opened = await directory.openGroup(group, settings, witnessedEvents(this.#counting(events), logWitness));
        witness.opened(this.id, opened.log.restored);
        this.#logs.set(group, opened.log);
        return { ...opened, log: new ObservedLog(opened.log, logWitness) };
      },
    };
  }

  #counting(events: RaftLogEvents): RaftLogEvents {
    return {
      ...events,
      onDamaged: (...found) => {
        this.damageFound += 1;
        events.onDamaged?.(...found);
      },
    };
  }

  #witness(group: string): Witness {
    const witness = this.#world.witnesses.get(group);
    if (witness === undefined) throw new Error(`no group ${group}`);
    return witness;
  }

  #started(process: SimProcess, broker: Broker, _logger: Logger): void {
    if (!process.alive) return;
    this.#broker = broker;
    broker.failed.then((error) => this.#failed(process, error));
  }

  /** A node that cannot go on says so and exits. Only its disk may be the reason. */
  #failed(process: SimProcess, error: unknown): void {
    if (!process.alive) return;
    const { scheduler, trace } = this.#world;
    trace.note(scheduler.nowMs, this.id, () => `exits: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof StorageError)) return scheduler.fail(error);
    this.#end();
    this.disk.crash('process');
    this.#keyed.crash('process');
    if (error.code !== 'IO' && error.code !== 'DISK_FULL') {
      if (!this.onRefusal(error)) scheduler.fail(error);
      return;
    }
    scheduler.at(scheduler.nowMs + RESTART_AFTER_FAILURE_MS, 'restart', () => {
      if (!this.held) this.start();
    });
  }

  #end(): void {
    this.#broker = undefined;
    if (this.#process?.alive !== true) return;
    this.#process.kill();
    for (const witness of this.#world.witnesses.values()) witness.ended(this.id);
  }
}
