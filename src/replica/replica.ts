/**
 * The shell around one core: it alone feeds the core, and carries out what the core wants. One input at a time, each to its end;
 * nothing here waits while it holds half a change.
 */
import type { Logger } from 'pino';
import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RaftConfig } from '../raft/config.ts';
import { RaftCore } from '../raft/core.ts';
import type { Effects, Replicate, Status } from '../raft/effects.ts';
import type { Input, Proposal } from '../raft/inputs.ts';
import type { AttestingMessage, PeerMessage } from '../raft/messages.ts';
import { type Entry, type LogIndex, logIndex, type NodeId, type Term, type WriteSequence } from '../raft/types.ts';
import type { RaftLog, RaftLogEvents } from '../storage/raft-log.ts';
import type { PeerEvents, PeerNetwork } from './peer-network.ts';
import { type OnOutcome, PendingProposals } from './pending-proposals.ts';
import type { ReplicaObserver } from './replica-observer.ts';
import type { StateMachine } from './state-machine.ts';

/** Payload that one apply round reads from the log. */
const APPLY_ROUND_BYTES = 4 * 1024 * 1024;
/** Room a full disk keeps for what elections write: proposals and appends stop before it is used. */
const APPEND_OVERHEAD_BYTES = 4 * 1024;

export interface ReplicaOptions<Result> {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly network: PeerNetwork;
  readonly stateMachine: StateMachine<Result>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Role, term or leader changed. */
  readonly onStatus: (status: Status) => void;
  /** Terminal: nothing more will be acknowledged, the process must exit. */
  readonly onFailed: (error: Error) => void;
  readonly observer?: ReplicaObserver | undefined;
}

/** Why a proposal was refused: nothing was done. */
export type Refusal = 'notLeader' | 'transferring' | 'busy' | 'diskFull' | 'stopped';

interface QueuedProposal<Result> {
  readonly proposal: Proposal;
  readonly onOutcome: OnOutcome<Result>;
  readonly onRefused: (reason: Refusal) => void;
}

export class Replica<Result> implements PeerEvents, RaftLogEvents {
  readonly #options: ReplicaOptions<Result>;
  readonly #core: RaftCore;
  readonly #pending = new PendingProposals<Result>();
  #queued: QueuedProposal<Result>[] = [];
  /** Attesting messages that wait for the disk, in order of their write. */
  #held: { readonly after: WriteSequence; readonly to: NodeId; readonly message: AttestingMessage }[] = [];
  #durableSequence = 0 as WriteSequence;
  /** Per follower: reads from the disk under way, so that appends leave in order. */
  readonly #sending = new Map<NodeId, Promise<void>>();
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined;
  #applying = false;
  #stopped = false;
  /** First index of this node's current leadership: applied up to here, it knows all that was committed before it. */
  #leaderSince: LogIndex | undefined;
  #caughtUpWaiters: (() => void)[] = [];
  /** In the order of their asking: what is applied later is asked for later. */
  #durableWaiters: { readonly index: LogIndex; readonly resolve: (durable: boolean) => void }[] = [];

  constructor(options: ReplicaOptions<Result>) {
    const { config, log, random, clock, stateMachine } = options;
    this.#options = options;
    assert(stateMachine.appliedIndex <= log.restored.lastIndex, 'the state machine is never ahead of the log');
    this.#core = new RaftCore(config, log.restored, random, clock.nowMs());
    this.#schedule();
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
    if (this.#stopped) return onRefused('stopped');
    this.#queued.push({ proposal, onOutcome, onRefused });
    if (this.#queued.length === 1) this.#options.clock.soon(() => this.#proposeQueued());
  }

  /** Leading: whether all that was committed before this leadership is applied. Following: true, it promises nothing. */
  get caughtUp(): boolean {
    return this.#core.status.role !== 'leader' || (this.#leaderSince !== undefined && this.appliedIndex >= this.#leaderSince);
  }

  /** Resolves as soon as `caughtUp`; at once when following. */
  whenCaughtUp(): Promise<void> {
    if (this.caughtUp || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => this.#caughtUpWaiters.push(resolve));
  }

  /** Resolves to true when this node's log is durable up to `index`, to false when the replica stops before. */
  whenDurable(index: LogIndex): Promise<boolean> | true {
    if (this.durableIndex >= index) return true;
    if (this.#stopped) return Promise.resolve(false);
    return new Promise((resolve) => this.#durableWaiters.push({ index, resolve }));
  }

  transferLeader(to: NodeId | undefined): void {
    this.#step({ type: 'transferLeader', to });
  }

  onMessage(from: NodeId, message: PeerMessage): void {
    // A full disk behaves as if the append were lost: the leader repeats it, and it is taken when there is room again.
    if (message.type === 'appendRequest' && message.entries.length > 0 && !this.#roomFor(message.entries)) return;
    this.#step({ type: 'message', from, message });
  }

  onConnected(peer: NodeId): void {
    this.#step({ type: 'peerConnected', peer });
  }

  onDisconnected(peer: NodeId): void {
    this.#step({ type: 'peerDisconnected', peer });
  }

  onWritten(sequence: WriteSequence, term: Term): void {
    assert(sequence > this.#durableSequence, 'writes become durable in order');
    this.#durableSequence = sequence;
    this.#releaseHeld();
    this.#step({ type: 'written', sequence, term });
    if (this.#durableWaiters.length > 0) this.#wakeDurable();
  }

  onFailed(error: Error): void {
    this.stop();
    this.#options.onFailed(error);
  }

  /** Takes no more inputs. The log is the caller's to close. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.timer.cancel();
    this.#held = [];
    for (const { onRefused } of this.#queued.splice(0)) onRefused('stopped');
    this.#pending.abandon();
    this.#wakeCaughtUp();
    for (const { resolve } of this.#durableWaiters.splice(0)) resolve(false);
  }

  #roomFor(entries: readonly Entry[]): boolean {
    return this.#options.log.hasRoomFor(APPEND_OVERHEAD_BYTES + entries.reduce((sum, entry) => sum + entry.payload.length, 0));
  }

  #proposeQueued(): void {
    const queued = this.#queued;
    this.#queued = [];
    if (queued.length === 0) return;
    const bytes = queued.reduce((sum, { proposal }) => sum + proposal.payload.length, 0);
    if (!this.#options.log.hasRoomFor(APPEND_OVERHEAD_BYTES + bytes)) return refuse(queued, 'diskFull');
    const { term } = this.#core.status;
    const effects = this.#run({ type: 'propose', term, proposals: queued.map(({ proposal }) => proposal) });
    if (effects === undefined) return refuse(queued, 'stopped');
    const result = effects.proposed;
    assert(result !== undefined, 'a proposal is answered at once');
    if (!result.accepted) {
      refuse(queued, result.reason === 'staleTerm' ? 'notLeader' : result.reason);
    } else {
      for (const [at, { onOutcome }] of queued.entries()) this.#pending.add(logIndex(result.firstIndex + at), term, onOutcome);
    }
    this.#perform(effects);
  }

  #step(input: Input): void {
    const effects = this.#run(input);
    if (effects !== undefined) this.#perform(effects);
  }

  #run(input: Input): Effects | undefined {
    if (this.#stopped) return undefined;
    try {
      const effects = this.#core.step(input, this.#options.clock.nowMs());
      this.#options.observer?.stepped(input, effects);
      return effects;
    } catch (error) {
      // A core that broke an invariant has an unknown state: nothing it would say may leave.
      this.onFailed(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  #perform(effects: Effects): void {
    const { log } = this.#options;
    for (const { to, message } of effects.send) this.#send(to, message);
    if (effects.write !== undefined) {
      const { truncateFrom } = effects.write;
      assert(truncateFrom === undefined || truncateFrom > this.appliedIndex, 'what was applied is never truncated');
      log.write(effects.write);
    }
    // After log.write: what a follower is sent is readable. Before its fsync: the two run side by side (thesis 10.2.1).
    for (const order of effects.replicate) this.#replicate(order);
    if (effects.sendAfterWrite.length > 0) {
      this.#held.push(...effects.sendAfterWrite);
      this.#releaseHeld();
    }
    if (effects.status !== undefined) this.#statusChanged(effects.status);
    if (effects.commitIndex !== undefined) this.#applyCommitted();
    this.#schedule();
  }

  #statusChanged(status: Status): void {
    const { logger, onStatus } = this.#options;
    logger.info({ role: status.role, term: status.term, leader: status.leader }, 'role');
    if (status.role === 'leader') {
      // The no-op that opens the leadership is the last entry now.
      this.#leaderSince = this.#core.lastIndex;
    } else {
      this.#leaderSince = undefined;
      this.#pending.abandon();
      this.#wakeCaughtUp();
    }
    onStatus(status);
  }

  #send(to: NodeId, message: PeerMessage): void {
    this.#options.observer?.sent(to, message);
    this.#options.network.send(to, message);
  }

  #releaseHeld(): void {
    let count = 0;
    for (const { after, to, message } of this.#held) {
      if (after > this.#durableSequence) break;
      this.#send(to, message);
      count += 1;
    }
    if (count > 0) this.#held.splice(0, count);
  }

  #replicate(order: Replicate): void {
    const { log, config } = this.#options;
    const before = this.#sending.get(order.to);
    if (order.lastIndex === order.previousIndex && before === undefined) return this.#sendAppend(order, []);
    const read = (): readonly Entry[] | Promise<readonly Entry[]> =>
      // What waited its turn finds the log closed when the node has stopped meanwhile.
      this.#stopped || order.lastIndex === order.previousIndex
        ? []
        : log.read(
            logIndex(order.previousIndex + 1),
            order.lastIndex,
            order.exact ? Number.MAX_SAFE_INTEGER : config.maxAppendBytes,
          );
    const entries = before === undefined ? read() : before.then(read);
    if (!(entries instanceof Promise)) return this.#sendAppend(order, entries);
    const sending = entries
      .then((loaded) => this.#sendAppend(order, loaded))
      .catch((error) => this.onFailed(error))
      .finally(() => {
        if (this.#sending.get(order.to) === sending) this.#sending.delete(order.to);
      });
    this.#sending.set(order.to, sending);
  }

  #sendAppend(order: Replicate, entries: readonly Entry[]): void {
    // A leader replaces nothing of its log while it leads; once it no longer does, what was read may be somebody else's.
    const { role, term } = this.#core.status;
    if (this.#stopped || role !== 'leader' || term !== order.term) return;
    const { request, previousIndex, previousTerm, commitIndex } = order;
    this.#send(order.to, {
      type: 'appendRequest',
      term,
      request,
      previousIndex,
      previousTerm,
      commitIndex,
      entries,
    });
  }

  #applyCommitted(): void {
    if (this.#applying) return;
    this.#applying = true;
    this.#applyRounds()
      .catch((error) => this.onFailed(error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#applying = false;
        if (!this.#stopped && this.#core.commitIndex > this.appliedIndex) this.#applyCommitted();
      });
  }

  async #applyRounds(): Promise<void> {
    const { log, stateMachine } = this.#options;
    while (!this.#stopped && this.#core.commitIndex > this.appliedIndex) {
      const room = stateMachine.waitForRoom();
      if (room !== undefined) await room;
      if (this.#stopped) return;
      const entries = log.read(logIndex(this.appliedIndex + 1), this.#core.commitIndex, APPLY_ROUND_BYTES);
      // Awaiting only what is not there yet keeps the way from commit to answer free of needless turns.
      for (const entry of entries instanceof Promise ? await entries : entries) {
        if (this.#stopped) return;
        assert(entry.index === this.appliedIndex + 1, 'entries are applied in order, without gaps');
        const result = stateMachine.apply(entry);
        this.#options.observer?.applied(entry, result);
        this.#pending.applied(entry.index, entry.term, result);
      }
      if (this.caughtUp) this.#wakeCaughtUp();
    }
  }

  #wakeDurable(): void {
    const { durableIndex } = this;
    this.#durableWaiters = this.#durableWaiters.filter(({ index, resolve }) => {
      if (index > durableIndex) return true;
      resolve(true);
      return false;
    });
  }

  #wakeCaughtUp(): void {
    for (const wake of this.#caughtUpWaiters.splice(0)) wake();
  }

  #schedule(): void {
    if (this.#stopped) return;
    const atMs = this.#core.nextDeadlineMs;
    // A timer that fires early costs one harmless tick; re-arming on every message costs more.
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const { clock } = this.#options;
    const timer = clock.after(atMs - clock.nowMs(), () => {
      this.#timer = undefined;
      this.#step({ type: 'tick' });
      this.#schedule();
    });
    this.#timer = { atMs, timer };
  }
}

function refuse<Result>(queued: readonly QueuedProposal<Result>[], reason: Refusal): void {
  for (const { onRefused } of queued) onRefused(reason);
}
