/** One group on this node, from its storage to its leader's duties: opened, joined to the others, run, and closed. */
import type { Logger } from 'pino';
import { sleep } from '../base/sleep.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { Configuration } from '../raft/configuration.ts';
import { type Entry, type LogIndex, type NodeId, nodeId } from '../raft/types.ts';
import type { GroupNetwork } from '../replica/group-network.ts';
import { type Introductions, introduce } from '../replica/introductions.ts';
import type { NodeNetwork } from '../replica/node-network.ts';
import { Replica } from '../replica/replica.ts';
import type { DataDirectory, GroupStorage } from '../storage/data-directory.ts';
import type { LogRecovery, RaftLogEvents } from '../storage/raft-log.ts';
import type { BrokerConfig } from './broker-config.ts';
import type { BrokerEnvironment } from './broker-environment.ts';
import { type ApplyResult, BrokerState } from './broker-state.ts';
import { Checkpoints } from './checkpoints.ts';
import { Group } from './group.ts';
import { HandBack } from './hand-back.ts';
import { joinGroup } from './join-group.ts';
import { LostDisks, patienceMs } from './lost-disks.ts';
import type { MemberFacts } from './member-changes.ts';
import type { PlacedGroup } from './placement.ts';
import { Retention } from './retention.ts';

/** What the node has for each of its groups. */
export interface GroupHost {
  readonly self: NodeId;
  readonly config: BrokerConfig;
  readonly directory: DataDirectory;
  readonly network: NodeNetwork;
  readonly introductions: Introductions;
  readonly environment: BrokerEnvironment;
  readonly logger: Logger;
  /** Leader, members or topics changed. */
  onChanged(): void;
  /** Terminal for the node. */
  onFailed(error: Error): void;
}

const MAX_ENTRY_OVERHEAD_BYTES = 64 * 1024;
/** Whoever is there answers at once. */
const INTRODUCE_WITHIN_MS = 1_000;

export class HostedGroup {
  readonly name: string;
  readonly #plan: PlacedGroup;
  readonly #host: GroupHost;
  readonly #logger: Logger;
  readonly #network: GroupNetwork;
  readonly #stopping = new AbortController();
  #storage: GroupStorage | undefined;
  #state: BrokerState | undefined;
  #replica: Replica<ApplyResult> | undefined;
  #checkpoints: Checkpoints | undefined;
  #duties: { close(): void }[] = [];
  #group: Group | undefined;

  /** From now on the node tells who asks that it holds the group. */
  constructor(plan: PlacedGroup, host: GroupHost) {
    this.name = plan.name;
    this.#plan = plan;
    this.#host = host;
    this.#logger = host.logger.child({ group: plan.name });
    this.#network = host.network.hold(plan.name);
  }

  /** Undefined until the node takes part. */
  get group(): Group | undefined {
    return this.#group;
  }

  /** Opens what is stored. Rejects with a StorageError. */
  async open(): Promise<void> {
    const { config, directory, environment } = this.#host;
    const { clock } = environment;
    const { segmentBytes, cacheBytes, scrubBytesPerSecond } = config;
    const maxEntryBytes = config.maxBatchBytes + MAX_ENTRY_OVERHEAD_BYTES;
    const options = { segmentBytes, cacheBytes, maxEntryBytes, clock, scrubBytesPerSecond };
    this.#storage = await directory.openGroup(this.name, options, this.#logEvents());
    this.#state = await this.#loadState(this.#storage);
    const { log } = this.#storage;
    reportRecovery(log.recovery, this.#logger);
    const { lastIndex, hardState } = log.restored;
    this.#logger.info({ lastIndex, term: hardState.term, applied: this.#state.appliedIndex }, 'storage opened');
  }

  /** Resolves when the node takes part: once the group is founded, however long that takes, or when it is stopped before. */
  async join(): Promise<void> {
    const { self, directory, environment, introductions } = this.#host;
    const founding = await joinGroup({
      self,
      disk: directory.identity.diskId,
      group: this.name,
      members: this.#plan.members,
      ledger: directory.groups,
      network: this.#network,
      introductions,
      clock: environment.clock,
      log: this.#logger,
      signal: this.#stopping.signal,
    });
    if (founding !== undefined && !this.#stopping.signal.aborted) this.#start(founding);
  }

  /** Waits until somebody else leads, for as long as a transfer may take; a group without another live member keeps its leader. */
  async handOver(): Promise<void> {
    const { config, environment, self } = this.#host;
    const group = this.#group;
    if (group === undefined || !group.leads || group.members.length === 1) return;
    group.replica.transferLeader(undefined);
    const deadlineMs = environment.clock.nowMs() + config.electionTimeoutMinMs;
    while (environment.clock.nowMs() < deadlineMs) {
      const { leader } = group.replica.status;
      if (leader !== undefined && leader !== self) return;
      await sleep(environment.clock, 2);
    }
  }

  /** Calls are refused, streams told to go elsewhere. */
  refuse(): void {
    this.#stopping.abort();
    for (const duty of this.#duties.splice(0)) duty.close();
  }

  stop(): void {
    this.refuse();
    this.#replica?.stop();
  }

  /** After `stop`. Makes the state durable. */
  async close(): Promise<void> {
    await this.#checkpoints?.close();
    await this.#storage?.log.close();
    await this.#storage?.snapshots.close();
    await this.#state?.close();
  }

  /** The log tells a replica that does not exist yet: nothing is written, so nothing is told, before it does. */
  #logEvents(): RaftLogEvents {
    const { onFailed } = this.#host;
    return {
      onWritten: (sequence, term) => this.#replica?.onWritten(sequence, term),
      onDamaged: () => this.#replica?.onDamaged(),
      onDamagedStructure: (what) =>
        this.#logger.error({ what }, 'the log is damaged in a way that only a restart of this node repairs'),
      onFailed: (error) => (this.#replica === undefined ? onFailed(error) : this.#replica.onFailed(error)),
    };
  }

  #loadState({ keyed }: GroupStorage): Promise<BrokerState> {
    const { environment, onChanged, onFailed } = this.#host;
    return BrokerState.load(keyed, environment.clock, {
      onTopicsChanged: onChanged,
      onCatalogueChanged: onChanged,
      onCheckpoint: (entry: Entry, content: readonly Buffer[]) => this.#checkpoints?.onCheckpoint(entry, content),
      onTrimmed: (index: LogIndex) => this.#checkpoints?.onTrimmed(index),
      whenDurable: (index: LogIndex) => this.#replica?.whenDurable(index) ?? Promise.resolve(false),
      onFailed,
    });
  }

  #start(founding: Configuration): void {
    const { self, config, directory, environment, onChanged, onFailed } = this.#host;
    const { clock, random } = environment;
    const { log, snapshots } = this.#storage as GroupStorage;
    const state = this.#state as BrokerState;
    const logger = this.#logger;
    const replica = new Replica<ApplyResult>({
      config: { ...raftConfig(self, directory.identity.diskId, founding, config), ...environment.raftLimits },
      log,
      snapshots,
      catchUpBytesPerSecond: config.catchUpBytesPerSecond,
      snapshotPieceBytes: environment.snapshotPieceBytes,
      network: this.#network,
      stateMachine: state,
      clock,
      random,
      logger,
      onStatus: onChanged,
      onFailed,
      observer: environment.observe?.(this.name),
    });
    this.#replica = replica;
    this.#checkpoints = new Checkpoints({ replica, snapshots, state, logger, onFailed });
    const group = new Group(this.name, self, state, replica, clock);
    this.#group = group;
    this.#duties.push(new Retention(group, config, clock, logger));
    if (config.replaceLostDisks) this.#duties.push(this.#lostDisks(group));
    const { preferredLeader } = this.#plan;
    if (preferredLeader !== '') this.#duties.push(new HandBack(group, nodeId(preferredLeader), clock, logger));
    this.#network.start(replica);
    onChanged();
  }

  #lostDisks(group: Group): LostDisks {
    const { config, environment } = this.#host;
    const facts: MemberFacts = { introduce: (name, at) => introduce(name, at, environment, INTRODUCE_WITHIN_MS) };
    const lostAfterMs = environment.lostDiskAfterMs ?? patienceMs(config.electionTimeoutMaxMs);
    return new LostDisks(group, facts, lostAfterMs, environment.clock, this.#logger);
  }
}

/** A torn tail is what a crash leaves; anything else is a disk that does not keep its word. */
function reportRecovery({ cutBytes, cutFrom, damagedEntries, floor, notes }: LogRecovery, logger: Logger): void {
  if (cutBytes === 0 && damagedEntries === 0 && floor === undefined && notes.length === 0) return;
  const facts = { cutBytes, cutFrom, damagedEntries, floor, notes };
  if (damagedEntries === 0 && floor === undefined) logger.info(facts, 'recovery cut a write that was never acknowledged');
  else
    logger.error(
      facts,
      'the disk has damaged the log: what is missing comes from the other members, and this node does not lead before',
    );
}

function raftConfig(self: NodeId, disk: string, founding: Configuration, config: BrokerConfig): RaftConfig {
  return {
    id: self,
    disk,
    founding,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    electionTimeoutMinMs: config.electionTimeoutMinMs,
    electionTimeoutMaxMs: config.electionTimeoutMaxMs,
    crashElectionSpreadMs: 20,
    maxAppendBytes: 1024 * 1024,
    maxInflightAppends: 64,
    maxInflightBytes: 32 * 1024 * 1024,
    maxUncommittedBytes: 64 * 1024 * 1024,
  };
}
