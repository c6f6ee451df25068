/** Everything a core remembers, and the few changes that more than one part of it makes. The rules are in the files beside it. */
import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type { RaftConfig } from './config.ts';
import { type Configuration, decodeConfiguration, isVoter, memberOf } from './configuration.ts';
import { ConfigurationHistory } from './configuration-history.ts';
import type { Role } from './effects.ts';
import { isBehind } from './log-position.ts';
import { LogSummary } from './log-summary.ts';
import { Outbox } from './outbox.ts';
import type { FollowerProgress } from './progress.ts';
import type { WaitingRead } from './reads.ts';
import {
  type Entry,
  type HardState,
  KIND_CONFIGURATION,
  type LogBase,
  type LogIndex,
  type LogPosition,
  type NodeId,
  type RestoredLog,
  type Term,
  type WriteSequence,
} from './types.ts';
import { WriteTracker } from './write-tracker.ts';

export interface Transfer {
  readonly to: NodeId;
  readonly deadlineMs: number;
  /** TimeoutNow has left. */
  ordered: boolean;
}

/** What exists only while leading. */
export interface Leadership {
  readonly role: 'leader';
  /** The term that was won, and that every entry appended meanwhile carries (B19). */
  readonly term: Term;
  /** Everybody else who gets the log. */
  readonly followers: Map<NodeId, FollowerProgress>;
  /** The entry that opened this leadership: once it is committed, so is everything before it (thesis 6.4). */
  readonly openingIndex: LogIndex;
  nextHeartbeatMs: number;
  heartbeatRound: number;
  /** In the order of their asking. */
  reads: WaitingRead[];
  transfer: Transfer | undefined;
}

interface Candidacy {
  readonly role: 'candidate';
  readonly granted: Set<NodeId>;
  readonly refused: Set<NodeId>;
  /** The write unit that makes the vote for ourselves durable: it counts from then on. */
  readonly voteSequence: WriteSequence;
}

type RoleState =
  | { readonly role: 'follower' }
  | { readonly role: 'preCandidate'; readonly granted: Set<NodeId> }
  | Candidacy
  | Leadership;

/** Set from the moment we saw the leader's process die until there is a new leader: elections hurry meanwhile. */
interface CrashElection {
  readonly deadLeader: NodeId;
  triesLeft: number;
}

/**
 * - `reluctant`: leads when nobody else will: its disk is full, say. Waits one election longer than others, and hands over to a fit node.
 * - `unfit`: must not lead: its disk stalls, or has lost something. Stands for no election, and steps down when it cannot hand over.
 */
export type Fitness = 'fit' | 'reluctant' | 'unfit';

/** Tries at crash speed before the ordinary election timeout takes over: bounded, so that a false alarm costs no more than these. */
const CRASH_ELECTION_TRIES = 10;

export class RaftState {
  readonly config: RaftConfig;
  readonly random: Random;
  readonly id: NodeId;
  readonly log: LogSummary;
  readonly configurations: ConfigurationHistory;
  readonly writes: WriteTracker;
  hardState: HardState;
  commitIndex = 0 as LogIndex;
  current: RoleState = { role: 'follower' };
  leader: NodeId | undefined;
  /** When the present leader last gave a sign of life. */
  leaderHeardMs = Number.NEGATIVE_INFINITY;
  electionDeadlineMs: number;
  crashElection: CrashElection | undefined;
  /** Peers whose process is known to be gone, until they are heard of again. */
  readonly deadPeers = new Set<NodeId>();
  /** How well this node would lead, as its caller knows. */
  fitness: Fitness = 'fit';
  /** Let one election pass for others to win. */
  waitedForOthers = false;
  /** While unfit: when a leader that nobody relieved steps down. */
  stepDownMs: number | undefined;
  readonly #floor: LogPosition | undefined;
  nowMs: number;
  outbox = new Outbox();

  constructor(config: RaftConfig, restored: RestoredLog, random: Random, nowMs: number) {
    checkConfig(config);
    this.config = config;
    this.random = random;
    this.id = config.id;
    const { base } = restored;
    const atBase = base.configuration === undefined ? config.founding : decodeConfiguration(base.configuration);
    this.configurations = new ConfigurationHistory(base.index, atBase, restored.configurations);
    this.log = new LogSummary(base, restored.lastIndex, restored.termRuns);
    this.commitIndex = base.index;
    this.writes = new WriteTracker(restored.lastIndex);
    this.hardState = restored.hardState;
    this.#floor = restored.floor;
    this.nowMs = nowMs;
    this.electionDeadlineMs = nowMs;
    assert(this.log.lastTerm <= this.hardState.term, 'an entry is never durable before the term it was received in');
    // A sole voter has nobody to disturb. Everybody else first listens for a leader for a whole timeout.
    if (!this.isSoleVoter) this.restartElectionTimer();
  }

  get term(): Term {
    return this.hardState.term;
  }

  get role(): Role {
    return this.current.role;
  }

  get leadership(): Leadership | undefined {
    return this.current.role === 'leader' ? this.current : undefined;
  }

  /**
   * What a disk fault took from this log, while the log has not come as far again. Until then the node votes as if it still had it: what it
   * acknowledged may be committed, and whoever is elected with its vote must have that (paper 5.4.1). To its peers it is a node that is
   * slow, never one that forgot.
   */
  get lostPosition(): LogPosition | undefined {
    const floor = this.#floor;
    if (floor === undefined || !isBehind(this.log.lastPosition, floor)) return undefined;
    return floor;
  }

  /** Whether a log that ends there may be elected with this node's vote. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    const end = this.lostPosition ?? this.log.lastPosition;
    return !isBehind({ index: lastIndex, term: lastTerm }, end);
  }

  /** Whether this node may stand for election. */
  get mayStand(): boolean {
    return this.fitness !== 'unfit' && this.lostPosition === undefined && this.isVoter;
  }

  get configuration(): Configuration {
    return this.configurations.current;
  }

  /** Everybody else who gets the log. */
  get peers(): readonly NodeId[] {
    return this.configuration.members.map(({ id }) => id).filter((id) => id !== this.id);
  }

  /**
   * Whether this node's vote may be given. Known to the group, with the disk it has: one that was wiped has forgotten what it promised (see
   * {@link Member.disk}). As long as its removal is not committed it is needed: it may be the only one, beside a leader that has lost the end of its
   * log, that has the entry which removes it (thesis 4.2.2).
   */
  get isMember(): boolean {
    return this.#possible.some((configuration) => this.#isNamedIn(configuration));
  }

  /** Whether it may stand for election: for the same reason as long as it is not known to be out. */
  get isVoter(): boolean {
    return this.#possible.some((configuration) => this.#isNamedIn(configuration) && isVoter(configuration, this.id));
  }

  get #possible(): readonly Configuration[] {
    return this.configurations.from(this.commitIndex);
  }

  #isNamedIn(configuration: Configuration): boolean {
    return memberOf(configuration, this.id)?.disk === this.config.disk;
  }

  get isSoleVoter(): boolean {
    const { voters, outgoing } = this.configuration;
    return this.isVoter && voters[0] === this.id && voters.length === 1 && outgoing.every((id) => id === this.id);
  }

  /** The only place that changes term or vote: both are write-once within their term (B05, B12). */
  setHardState(term: Term, vote: NodeId | undefined): void {
    assert(term >= this.hardState.term, 'the term never falls');
    assert(term > this.hardState.term || this.hardState.vote === undefined, 'one vote a term (paper 5.2)');
    this.hardState = { term, vote };
    this.writes.stageHardState(this.hardState, this.log.lastIndex);
  }

  /** Appends entries at the log's end, or in place of everything from the first one's index on. */
  appendEntries(entries: readonly Entry[]): void {
    const first = entries[0];
    assert(first !== undefined, 'there is something to append');
    const replaces = first.index <= this.log.lastIndex;
    if (replaces) {
      // State Machine Safety rests on this one (paper figure 3): what may have been applied is never taken back.
      assert(first.index > this.commitIndex, `truncation at ${first.index} of entries committed up to ${this.commitIndex}`);
      this.log.truncateFrom(first.index);
      this.configurations.truncateFrom(first.index);
    }
    for (const entry of entries) {
      assert(entry.index === this.log.lastIndex + 1, `entry ${entry.index} does not follow ${this.log.lastIndex}`);
      assert(entry.term <= this.term, 'an entry is never newer than the term of whoever takes it');
      this.log.append(entry.term, entry.payload.length);
      if (entry.kind === KIND_CONFIGURATION) this.configurations.append(entry);
    }
    this.writes.stageEntries(this.hardState, entries, replaces ? first.index : undefined);
  }

  /** A snapshot takes the place of all that was in the log, which then begins after it. */
  resetTo(base: LogBase, configuration: Configuration): void {
    assert(
      base.index > this.commitIndex && !this.log.matches(base.index, base.term),
      'only a log that lacks what the snapshot has is replaced',
    );
    this.log.reset(base);
    this.configurations.reset(base.index, configuration);
    this.writes.stageReset(this.hardState, base);
    this.commitIndex = base.index;
  }

  /** Moves the commit index forward; never back (B13). */
  commitTo(index: LogIndex): void {
    if (index <= this.commitIndex) return;
    assert(index <= this.log.lastIndex, 'only entries of the log are committed');
    this.commitIndex = index;
  }

  /** What is known committed is so here as well once this log holds it: a log that agrees there agrees before it (paper 5.3). */
  commitWhenHeld(index: LogIndex, term: Term): void {
    if (this.log.matches(index, term)) this.commitTo(index);
  }

  /** Becomes (or stays) a follower in `term`. The election timer is left alone, unless it was not running (B18). */
  becomeFollower(term: Term, leader: NodeId | undefined): void {
    assert(term >= this.term, 'the term never falls');
    assert(leader !== this.id, 'nobody follows itself');
    if (term > this.term) this.setHardState(term, undefined);
    else assert(this.leader === undefined || leader === undefined || this.leader === leader, 'two leaders in one term (paper 5.2)');
    if (this.current.role === 'leader') this.restartElectionTimer();
    this.current = { role: 'follower' };
    this.leader = leader;
  }

  /** Follows a leader that just gave a sign of life. */
  follow(leader: NodeId, term: Term): void {
    assert(term > this.term || this.current.role !== 'leader', 'two leaders in one term (paper 5.2)');
    this.becomeFollower(term, leader);
    this.leaderHeardMs = this.nowMs;
    this.crashElection = undefined;
    this.restartElectionTimer();
  }

  restartElectionTimer(): void {
    const { electionTimeoutMinMs, electionTimeoutMaxMs } = this.config;
    this.electionDeadlineMs = this.nowMs + this.random.between(electionTimeoutMinMs, electionTimeoutMaxMs);
  }

  /** The leader's process is known dead: no point in waiting, but a few random milliseconds keep the rivals apart. */
  startCrashElection(deadLeader: NodeId): void {
    // Only a leader's word brings loyalty back: should the process be restarted at once, it leads no more.
    this.leaderHeardMs = Number.NEGATIVE_INFINITY;
    this.crashElection = { deadLeader, triesLeft: CRASH_ELECTION_TRIES };
    const soonMs = this.nowMs + this.random.between(0, this.config.crashElectionSpreadMs);
    this.electionDeadlineMs = Math.min(this.electionDeadlineMs, soonMs);
  }
}

function checkConfig(config: RaftConfig): void {
  assert(config.heartbeatIntervalMs > 0, 'heartbeats need an interval');
  assert(config.heartbeatIntervalMs * 2 <= config.electionTimeoutMinMs, 'one lost heartbeat must not cause an election');
  assert(config.electionTimeoutMinMs <= config.electionTimeoutMaxMs, 'the election timeout is a range');
  assert(config.crashElectionSpreadMs >= 0, 'a wait is not negative');
  assert(
    config.maxAppendBytes > 0 && config.maxInflightAppends > 0 && config.maxInflightBytes > 0,
    'windows let something through',
  );
  assert(config.maxUncommittedBytes > 0, 'a leader accepts something');
}
