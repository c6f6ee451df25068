/**
 * The shell around one core: it alone feeds the core, and carries out what the core wants. One input at a time, each to its end;
 * nothing here waits while it holds half a change.
 */

import type { Logger } from 'pino';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RaftConfig } from '../raft/config.ts';
import type { Configuration, Member } from '../raft/configuration.ts';
import { RaftCore } from '../raft/core.ts';
import type { Effects, MembershipResult, Status } from '../raft/effects.ts';
import type { Proposal } from '../raft/inputs.ts';
import type { PeerMessage } from '../raft/messages.ts';
import { type Entry, type LogBase, type LogIndex, logIndex, type NodeId, type Term, type WriteSequence } from '../raft/types.ts';
import type { RaftLog, RaftLogEvents } from '../storage/raft-log.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import { AppendSender } from './append-sender.ts';
import { Applier } from './applier.ts';
import { CoreLoop } from './core-loop.ts';
import { DiskWatch } from './disk-watch.ts';
import { EntryReader } from './entry-reader.ts';
import { HeldMessages } from './held-messages.ts';
import { Milestones } from './milestones.ts';
import { MissingSnapshots } from './missing-snapshots.ts';
import { entryAt, snapshotPiece } from './peer-answers.ts';
import type { PeerEvents, PeerNetwork, SnapshotPiece } from './peer-network.ts';
import { MAX_PIECE_BYTES } from './peer-requests.ts';
import type { OnOutcome } from './pending-proposals.ts';
import { Proposals, type Refusal } from './proposals.ts';
import { ReadBarrier } from './read-barrier.ts';
import { Repairs } from './repairs.ts';
import type { ReplicaObserver } from './replica-observer.ts';
import { SnapshotFetch } from './snapshot-fetch.ts';
import type { StateMachine } from './state-machine.ts';
import { Strangers } from './strangers.ts';
import { WellBeing } from './well-being.ts';

/** Room a full disk keeps for what elections write: proposals and appends stop before it is used. */
const APPEND_OVERHEAD_BYTES = 4 * 1024;

export interface ReplicaOptions<Result> {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly network: PeerNetwork;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine<Result>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What followers that are far behind may take of this node's disk and network, each. */
  readonly catchUpBytesPerSecond: number;
  /** Of a snapshot, in one answer. Default 1 MiB, the most that is given. */
  readonly snapshotPieceBytes?: number | undefined;
  /** Role, term, leader or members changed. */
  readonly onStatus: (status: Status) => void;
  /** Terminal: nothing more will be acknowledged, the process must exit. */
  readonly onFailed: (error: Error) => void;
  readonly observer?: ReplicaObserver | undefined;
}

export class Replica<Result> implements PeerEvents, RaftLogEvents {
  readonly #options: ReplicaOptions<Result>;
  readonly #core: RaftCore;
  readonly #loop: CoreLoop;
  readonly #milestones: Milestones;
  readonly #proposals: Proposals<Result>;
  readonly #held = new HeldMessages((to, message) => this.#send(to, message));
  readonly #appends: AppendSender;
  readonly #applier: Applier<Result>;
  readonly #repairs: Repairs;
  readonly #entries: EntryReader;
  readonly #disk: DiskWatch;
  readonly #reads: ReadBarrier;
  readonly #snapshotFetch: SnapshotFetch;
  readonly #missingSnapshots: MissingSnapshots;
  readonly #strangers: Strangers;
  readonly #wellBeing: WellBeing;
  #configuration: Configuration;
  #stopped = false;

  constructor(options: ReplicaOptions<Result>) {
    const { config, log, random, clock, stateMachine } = options;
    this.#options = options;
    const { restored } = log;
    // A floor says how new a lost end was, not how long: of two, the one of the newer term counts, and may be shorter.
    const isWhole = restored.floor === undefined;
    assert(!isWhole || stateMachine.appliedIndex <= restored.lastIndex, 'the state machine is never ahead of the log');
    this.#core = new RaftCore(config, restored, random, clock.nowMs());
    this.#configuration = this.#core.status.configuration;
    const { network, snapshots, logger, catchUpBytesPerSecond } = options;
    const onFailed = (error: Error): void => this.onFailed(error);
    this.#loop = new CoreLoop({
      core: this.#core,
      clock,
      observer: options.observer,
      perform: (effects) => this.#perform(effects),
      onTick: () => this.#look(),
      onFailed,
    });
    this.#milestones = new Milestones(this.#core, () => this.appliedIndex);
    this.#proposals = new Proposals({
      clock,
      term: () => this.#core.status.term,
      hasRoomFor: (bytes) => log.hasRoomFor(APPEND_OVERHEAD_BYTES + bytes),
      enter: (term, proposals, beforehand) => this.#loop.step({ type: 'propose', term, proposals }, beforehand),
    });
    this.#disk = new DiskWatch(config.electionTimeoutMinMs);
    this.#repairs = new Repairs({
      log,
      network,
      clock,
      logger,
      peers: () => this.peers,
      onChanged: () => clock.soon(() => this.#look()),
    });
    this.#entries = new EntryReader(log, () => this.#whenRepaired());
    this.#strangers = new Strangers(clock, logger);
    this.#wellBeing = new WellBeing({
      repairs: this.#repairs,
      disk: this.#disk,
      clock,
      logger,
      hasRoom: () => this.writable,
      hasSnapshot: () => !this.#missingSnapshots.lacksBase,
      onChanged: (fitness) => this.#loop.step({ type: 'fitness', fitness }),
    });
    this.#appends = new AppendSender({
      log,
      clock,
      maxAppendBytes: config.maxAppendBytes,
      catchUpBytesPerSecond,
      status: () => this.#core.status,
      send: (to, message) => this.#send(to, message),
      onDamaged: () => this.#repairs.begin(),
      onFailed,
    });
    this.#applier = new Applier({
      log,
      snapshots,
      stateMachine,
      commitIndex: () => this.#core.commitIndex,
      whenDurable: (index) => this.whenDurable(index),
      onApplied: (entry, result) => {
        options.observer?.applied(entry, result);
        this.#proposals.applied(entry.index, entry.term, result);
      },
      onRound: () => this.#milestones.applied(),
      whenRepaired: () => this.#whenRepaired(),
      onFailed,
    });
    this.#reads = new ReadBarrier({
      clock,
      random,
      askAgainMs: config.electionTimeoutMinMs,
      ask: (read) => this.#loop.step({ type: 'read', read }),
    });
    this.#snapshotFetch = new SnapshotFetch({
      network,
      snapshots,
      clock,
      logger,
      bytesPerSecond: catchUpBytesPerSecond,
      pieceBytes: options.snapshotPieceBytes ?? MAX_PIECE_BYTES,
      onFailed,
      onFetched: (base) => this.#loop.step({ type: 'snapshotFetched', base }),
    });
    this.#missingSnapshots = new MissingSnapshots({
      log,
      snapshots,
      clock,
      peers: () => this.peers,
      fetch: (source) => this.#snapshotFetch.begin(source),
    });
    network.setMembers(this.#core.status.configuration.members);
    // What the snapshot in the log's place stands for is committed: the state may be behind it.
    if (this.#core.commitIndex > stateMachine.appliedIndex) this.#applier.begin();
  }

  /** The other members. */
  get peers(): readonly NodeId[] {
    const { configuration } = this.#core.status;
    return configuration.members.map(({ id }) => id).filter((id) => id !== this.#options.config.id);
  }

  get configuration(): Configuration {
    return this.#core.status.configuration;
  }

  /** The members are as somebody wanted them: no change is under way. */
  get settled(): boolean {
    return this.#core.isSettled;
  }

  get firstIndex(): LogIndex {
    return this.#options.log.firstIndex;
  }

  get damagedEntries(): number {
    return this.#repairs.damaged;
  }

  get repairedEntries(): number {
    return this.#repairs.repaired;
  }

  /** Why this node would be a bad leader; undefined when it would not. */
  get unfitBecause(): string | undefined {
    return this.#wellBeing.unfitBecause;
  }

  get status(): Status {
    return this.#core.status;
  }

  get lastIndex(): LogIndex {
    return this.#core.lastIndex;
  }

  get durableIndex(): LogIndex {
    return this.#core.durableIndex;
  }

  /** After a restart the core learns the commit index anew; what was applied is committed all the same. */
  get commitIndex(): LogIndex {
    return logIndex(Math.max(this.#core.commitIndex, this.appliedIndex));
  }

  get appliedIndex(): LogIndex {
    return this.#options.stateMachine.appliedIndex;
  }

  get writable(): boolean {
    return this.#options.log.hasRoomFor(APPEND_OVERHEAD_BYTES);
  }

  progress(): ReturnType<RaftCore['progress']> {
    return this.#core.progress();
  }

  /** Proposes an entry. Exactly one of the two callbacks is called, later. What is proposed in one go is appended and sent as one. */
  propose(proposal: Proposal, onOutcome: OnOutcome<Result>, onRefused: (reason: Refusal) => void): void {
    this.#proposals.add(proposal, onOutcome, onRefused);
  }

  /** Leading: whether all that was committed before this leadership is applied. Following: true, it promises nothing. */
  get caughtUp(): boolean {
    return this.#milestones.caughtUp;
  }

  /** Resolves as soon as `caughtUp`; at once when following. */
  whenCaughtUp(): Promise<void> {
    return this.#milestones.whenCaughtUp();
  }

  /** Resolves to true when this node's log is durable up to `index`, to false when the replica stops before. */
  whenDurable(index: LogIndex): Promise<boolean> | true {
    return this.#milestones.whenDurable(index);
  }

  /** Resolves to true when the entry is applied here, to false when the replica stops before. */
  whenApplied(index: LogIndex): Promise<boolean> | true {
    return this.#milestones.whenApplied(index);
  }

  /** Resolves when the members are settled, or this node no longer leads. */
  whenSettled(): Promise<void> | undefined {
    return this.#milestones.whenSettled();
  }

  /** Up to where the log must be applied here to have everything that was acknowledged anywhere before now; undefined: no leader answers. */
  readIndex(timeoutMs: number): Promise<LogIndex | undefined> {
    return this.#reads.index(timeoutMs);
  }

  /**
   * Reads applied entries. What the disk has damaged is fetched from other members. Rejects with the LograftError DAMAGED_HERE when that takes too
   * long, OFFSET_NOT_RETAINED when they were dropped.
   */
  read(first: LogIndex, last: LogIndex, maxBytes: number): Promise<readonly Entry[]> {
    return this.#entries.read(first, last, maxBytes);
  }

  /** When the member, with the disk that it is counted with, last said anything to this node; undefined: not in this run. */
  memberHeardMs(id: NodeId): number | undefined {
    return this.#strangers.memberHeardMs(id);
  }

  /** Begins a change of members; leader only. `whenSettled` resolves when it is through. */
  changeMembership(members: readonly Member[], voters: readonly NodeId[]): MembershipResult | undefined {
    return this.#loop.step({ type: 'changeMembership', members, voters })?.membership;
  }

  /** What a snapshot of everything up to `index`, which is applied and in the log, begins a log with. */
  baseAt(index: LogIndex): LogBase {
    return this.#core.baseAt(index);
  }

  /** Resolves to true once this node has the snapshot of everything up to `index`, which its log holds, from another member if need be; to false when it is wanted no more. */
  snapshotAt(index: LogIndex): Promise<boolean> {
    if (this.#stopped || index <= this.#options.log.base.index) return Promise.resolve(false);
    return this.#missingSnapshots.get(this.#core.baseAt(index));
  }

  /** Drops the log up to `index`: applied, stored, and in a durable snapshot, as the caller promises. */
  async trim(index: LogIndex): Promise<void> {
    const { log } = this.#options;
    if (!(await this.whenDurable(index)) || index <= log.base.index) return;
    const base = this.#core.baseAt(index);
    this.#loop.step({ type: 'trimmed', index });
    if (!this.#stopped) await log.trim(base);
  }

  transferLeader(to: NodeId | undefined): void {
    this.#loop.step({ type: 'transferLeader', to });
  }

  onMessage(from: NodeId, disk: string, message: PeerMessage): void {
    if (this.#strangers.refuse(this.configuration, from, disk, message)) return;
    // A full disk behaves as if the append were lost: the leader repeats it, and it is taken when there is room again.
    if (message.type === 'appendRequest' && message.entries.length > 0 && !this.#roomFor(message.entries)) return;
    this.#loop.step({ type: 'message', from, message });
  }

  onConnected(peer: NodeId): void {
    this.#loop.step({ type: 'peerConnected', peer });
  }

  onDisconnected(peer: NodeId): void {
    this.#loop.step({ type: 'peerDisconnected', peer });
  }

  onWritten(sequence: WriteSequence, term: Term): void {
    assert(sequence > this.#held.durableSequence, 'writes become durable in order');
    this.#disk.written(sequence);
    this.#held.written(sequence);
    this.#loop.step({ type: 'written', sequence, term });
    this.#milestones.written();
  }

  /** The log met an entry that is not what was written. */
  onDamaged(): void {
    this.#repairs.begin();
  }

  entryAt(index: LogIndex, term: Term): Promise<Entry | undefined> {
    return this.#stopped ? Promise.resolve(undefined) : entryAt(this.#options.log, index, term);
  }

  snapshotPiece(index: LogIndex, term: Term, position: number, maxBytes: number): Promise<SnapshotPiece | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    return snapshotPiece(this.#options.snapshots, index, term, position, maxBytes);
  }

  onFailed(error: Error): void {
    this.stop();
    this.#options.onFailed(error);
  }

  /** Takes no more inputs. The log is the caller's to close. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#loop.stop();
    this.#held.drop();
    this.#appends.stop();
    this.#applier.stop();
    this.#repairs.stop();
    this.#entries.stop();
    this.#reads.stop();
    this.#snapshotFetch.stop();
    this.#missingSnapshots.stop();
    this.#proposals.stop();
    this.#milestones.stop();
  }

  #roomFor(entries: readonly Entry[]): boolean {
    return this.#options.log.hasRoomFor(APPEND_OVERHEAD_BYTES + entries.reduce((sum, entry) => sum + entry.payload.length, 0));
  }

  #perform(effects: Effects): void {
    const { log } = this.#options;
    for (const { to, message } of effects.send) this.#send(to, message);
    if (effects.write !== undefined) {
      const { truncateFrom } = effects.write;
      assert(truncateFrom === undefined || truncateFrom > this.appliedIndex, 'what was applied is never truncated');
      this.#disk.writing(effects.write.sequence, this.#options.clock.nowMs());
      log.write(effects.write);
    }
    // After log.write: what a follower is sent is readable. Before its fsync: the two run side by side (thesis 10.2.1).
    for (const order of effects.replicate) this.#appends.replicate(order);
    this.#held.hold(effects.sendAfterWrite);
    if (effects.status !== undefined) this.#statusChanged(effects.status);
    if (effects.commitIndex !== undefined) {
      this.#applier.begin();
      this.#milestones.committed();
    }
    for (const answer of effects.reads) this.#reads.answered(answer);
    if (effects.fetchSnapshot !== undefined) this.#snapshotFetch.begin(effects.fetchSnapshot);
  }

  #statusChanged(status: Status): void {
    const { logger, onStatus, network } = this.#options;
    const { role, term, leader, configuration } = status;
    if (configuration !== this.#configuration) {
      this.#configuration = configuration;
      logger.info({ voters: configuration.voters, outgoing: configuration.outgoing }, 'members');
      network.setMembers(configuration.members);
    }
    logger.info({ role, term, leader }, 'role');
    if (role !== 'leader') {
      this.#proposals.abandon();
      this.#milestones.leadershipLost();
    }
    onStatus(status);
  }

  #send(to: NodeId, message: PeerMessage): void {
    this.#options.observer?.sent(to, message);
    this.#options.network.send(to, message);
  }

  async #whenRepaired(): Promise<void> {
    this.#repairs.begin();
    await this.#repairs.nextRound();
  }

  #look(): void {
    if (this.#stopped) return;
    this.#wellBeing.look();
    this.#missingSnapshots.look();
  }
}
