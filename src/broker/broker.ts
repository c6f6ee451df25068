/** A broker process: opens what is stored, joins its group, serves clients, and leaves in good order. */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import { withResolvers } from '../base/with-resolvers.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { Configuration } from '../raft/configuration.ts';
import { type Entry, type LogIndex, type NodeId, nodeId } from '../raft/types.ts';
import { introduce } from '../replica/peer-requests.ts';
import { Replica } from '../replica/replica.ts';
import { RpcNetwork } from '../replica/rpc-network.ts';
import type { RpcServer } from '../rpc/transport.ts';
import type { LogRecovery, RaftLogEvents } from '../storage/raft-log.ts';
import { serveAdmin } from './admin-service.ts';
import type { BrokerConfig } from './broker-config.ts';
import { type BrokerEnvironment, brokerMachine } from './broker-environment.ts';
import { type ApplyResult, BrokerState } from './broker-state.ts';
import { Checkpoints } from './checkpoints.ts';
import { Group } from './group.ts';
import { HandBack } from './hand-back.ts';
import { joinGroup } from './join-group.ts';
import { serveLog } from './log-service.ts';
import { LostDisks, patienceMs } from './lost-disks.ts';
import type { Introduction, MemberFacts } from './member-changes.ts';
import { RouterRegistration } from './registration.ts';
import { Retention } from './retention.ts';
import { VERSION } from './version.ts';

export interface Broker {
  /** "host:port" that others reach it at. */
  readonly address: string;
  /** Resolves when the node must exit: its disk or its state failed. Nothing is acknowledged any more. */
  readonly failed: Promise<Error>;
  /** Hands leadership over, ends streams, makes the state durable, closes. */
  stop(): Promise<void>;
}

const MAX_ENTRY_OVERHEAD_BYTES = 64 * 1024;
/** Calls under way may take this long to end at a shutdown. */
const CLOSE_GRACE_MS = 500;
/** A node that is to be added may still be starting. */
const MEET_WITHIN_MS = 5_000;
const MEET_EVERY_MS = 200;
/** Whoever is there answers at once. */
const INTRODUCE_WITHIN_MS = 1_000;

export async function startBroker(
  config: BrokerConfig,
  logger: Logger,
  environment: BrokerEnvironment = brokerMachine,
): Promise<Broker> {
  const { clock, random, transport, observer } = environment;
  const startedAtMs = clock.nowMs();
  const self = nodeId(config.nodeId);
  const failure = withResolvers<Error>();
  const fail = (error: Error): void => {
    logger.fatal({ error: error.message, stack: error.stack }, 'this node cannot go on');
    failure.resolve(error);
  };

  // The log tells a replica that does not exist yet: nothing is written, so nothing is told, before it does.
  let replica: Replica<ApplyResult> | undefined;
  const logEvents: RaftLogEvents = {
    onWritten: (sequence, term) => replica?.onWritten(sequence, term),
    onDamaged: () => replica?.onDamaged(),
    onDamagedStructure: (what) => logger.error({ what }, 'the log is damaged in a way that only a restart of this node repairs'),
    onFailed: (error) => (replica === undefined ? fail(error) : replica.onFailed(error)),
  };
  const { segmentBytes, cacheBytes, scrubBytesPerSecond } = config;
  const maxEntryBytes = config.maxBatchBytes + MAX_ENTRY_OVERHEAD_BYTES;
  const storageOptions = { segmentBytes, cacheBytes, maxEntryBytes, clock, scrubBytesPerSecond };
  const storage = await environment.openStorage(config.dataDir, self, storageOptions, logEvents);
  const { log, keyed, snapshots, identity } = storage;
  let onTopicsChanged = (): void => {};
  let checkpoints: Checkpoints | undefined;
  const events = {
    onTopicsChanged: () => onTopicsChanged(),
    onCheckpoint: (entry: Entry, content: readonly Buffer[]) => checkpoints?.onCheckpoint(entry, content),
    onTrimmed: (index: LogIndex) => checkpoints?.onTrimmed(index),
    whenDurable: (index: LogIndex) => replica?.whenDurable(index) ?? Promise.resolve(false),
    onFailed: fail,
  };
  const state = await BrokerState.load(keyed, clock, events);
  const { restored } = log;
  reportRecovery(log.recovery, logger);
  logger.info({ lastIndex: restored.lastIndex, term: restored.hardState.term, applied: state.appliedIndex }, 'storage opened');

  const network = new RpcNetwork({
    self,
    disk: identity.diskId,
    address: config.advertise,
    group: config.group,
    environment,
    log: logger,
  });
  const closeStorage = async (): Promise<void> => {
    await log.close();
    await snapshots.close();
    await state.close();
  };
  const founding = await joinGroup(config, storage, network, environment, logger).catch(async (error) => {
    await closeStorage();
    throw error;
  });
  const registrations: RouterRegistration[] = [];
  const announce = (): void => {
    for (const registration of registrations) registration.update();
  };
  onTopicsChanged = announce;
  replica = new Replica<ApplyResult>({
    config: { ...raftConfig(self, identity.diskId, founding, config), ...environment.raftLimits },
    log,
    snapshots,
    catchUpBytesPerSecond: config.catchUpBytesPerSecond,
    snapshotPieceBytes: environment.snapshotPieceBytes,
    network,
    stateMachine: state,
    clock,
    random,
    logger,
    onStatus: announce,
    onFailed: fail,
    observer,
  });
  checkpoints = new Checkpoints({ replica, snapshots, state, logger, onFailed: fail });
  const group = new Group(config.group, self, state, replica, clock);
  const frontDoor = serveLog(group, config.maxBatchBytes);
  const admin = serveAdmin(group, {
    address: config.advertise,
    version: VERSION,
    uptimeMs: () => clock.nowMs() - startedAtMs,
    isReachable: (peer) => network.isConnected(peer),
    introduce: (address) => meet(config.group, address, environment),
  });
  network.start(replica);
  let server: RpcServer;
  try {
    server = await transport.listen(config.listen, [network.service, frontDoor.service, admin]);
  } catch (error) {
    replica.stop();
    network.close();
    await closeStorage();
    throw error;
  }
  for (const address of config.routers) {
    registrations.push(new RouterRegistration(address, () => describeForRouter(group, config.advertise), environment, logger));
  }
  server.setServing(true);
  logger.info({ node: self, address: config.advertise, group: config.group, dataDir: config.dataDir }, 'broker is up');

  const running = replica;
  const cutting = checkpoints;
  const retention = new Retention(group, config, clock, logger);
  const facts: MemberFacts = { introduce: (at) => introduce(config.group, at, environment, INTRODUCE_WITHIN_MS) };
  const lostAfterMs = environment.lostDiskAfterMs ?? patienceMs(config.electionTimeoutMaxMs);
  const lostDisks = config.replaceLostDisks ? new LostDisks(group, facts, lostAfterMs, clock, logger) : undefined;
  const handBack = config.preferredLeader === '' ? undefined : new HandBack(group, nodeId(config.preferredLeader), clock, logger);
  return {
    address: config.advertise,
    failed: failure.promise,
    stop: async () => {
      server.setServing(false);
      await handOver(group, config.electionTimeoutMinMs, clock);
      group.shuttingDown = true;
      retention.close();
      handBack?.close();
      lostDisks?.close();
      // Streams end with the new leader known to the clients; peers see this process go only after that.
      frontDoor.close();
      for (const registration of registrations) registration.close();
      running.stop();
      network.close();
      await server.close(CLOSE_GRACE_MS);
      await cutting.close();
      await closeStorage();
      logger.info('broker stopped');
    },
  };
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

/** Waits until somebody else leads, for as long as a transfer may take; a group without another live member keeps its leader. */
async function handOver(group: Group, timeoutMs: number, clock: Clock): Promise<void> {
  if (!group.leads || group.members.length === 1) return;
  group.replica.transferLeader(undefined);
  const deadline = clock.nowMs() + timeoutMs;
  while (clock.nowMs() < deadline) {
    const { leader } = group.replica.status;
    if (leader !== undefined && leader !== group.self) return;
    await sleep(clock, 2);
  }
}

function describeForRouter(group: Group, address: string) {
  const { role, term } = group.replica.status;
  const leader = role === 'leader';
  return {
    node: group.self,
    address,
    groups: [
      {
        group: group.name,
        term,
        leader,
        members: group.members.map(({ id, address: memberAddress }) => ({ node: id, address: memberAddress })),
        topics: leader ? group.state.topics.all().map(({ name, id, queues }) => ({ name, id, queues: queues.length })) : [],
      },
    ],
  };
}
