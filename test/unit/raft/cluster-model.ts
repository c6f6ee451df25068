/**
 * A whole group in one thread: cores, a lossy network, disks that forget, and the paper's safety properties (figure 3) checked at every
 * step. One seed decides everything.
 */
import { assert } from '../../../src/base/assert.ts';
import type { RaftConfig } from '../../../src/raft/config.ts';
import type { Member as RaftMember } from '../../../src/raft/configuration.ts';
import type { Effects, SnapshotSource } from '../../../src/raft/effects.ts';
import type { Input } from '../../../src/raft/inputs.ts';
import { isBehind } from '../../../src/raft/log-position.ts';
import type { PeerMessage } from '../../../src/raft/messages.ts';
import { isQuorum } from '../../../src/raft/quorum.ts';
import {
  type Entry,
  FIRST_APPLICATION_KIND,
  type LogIndex,
  logIndex,
  type NodeId,
  type Term,
  type WriteUnit,
} from '../../../src/raft/types.ts';
import { applyUnit, DEFAULTS, type Disk, emptyDisk, founding, memberFor, SeededRandom, Shell, voterIds } from './shell.ts';

interface Flight {
  readonly at: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: PeerMessage;
}

interface Member {
  readonly id: NodeId;
  disk: Disk;
  shell: Shell | undefined;
  pausedUntil: number;
  /** Durable, but the core has not been told yet. */
  untold: WriteUnit[];
  /** What a disk fault took, as it was: the node goes on voting as if it had it. */
  lost: readonly Entry[];
}

/** How bad the weather is; drawn anew for every seed, so that some runs see one fault alone (swarm testing). */
interface Weather {
  readonly loss: number;
  readonly duplication: number;
  readonly slowMessage: number;
  readonly slowDisk: number;
  readonly crash: number;
  readonly pause: number;
  readonly cut: number;
  readonly resets: number;
  readonly transfer: number;
  readonly rot: number;
  readonly bar: number;
  readonly trim: number;
  readonly change: number;
  readonly read: number;
  readonly propose: number;
}

export interface ModelResult {
  readonly committed: number;
  readonly reads: number;
  /** Logs that a snapshot replaced. */
  readonly resets: number;
  /** Sets of voters that were in force. */
  readonly changes: number;
  readonly terms: number;
  readonly leaders: number;
}

export class ClusterModel {
  readonly #random: SeededRandom;
  readonly #members: Member[];
  readonly #config: Omit<RaftConfig, 'id'>;
  readonly #weather: Weather;
  #calm = false;
  #nowMs = 0;
  #flights: Flight[] = [];
  #payloads = 0;
  /** Directed links that lose everything. */
  #cuts = new Set<string>();
  #fetches: { readonly key: string; readonly at: number; readonly shell: Shell; from: NodeId; index: LogIndex; term: Term }[] = [];
  #reads = 0;
  #readsAnswered = 0;
  #resets = 0;
  readonly #voterSets = new Set<string>();
  /** What was committed when the read was asked for. */
  readonly #readFrom = new Map<number, number>();
  // What must never change once known.
  readonly #leaderOf = new Map<Term, NodeId>();
  readonly #leadingShells = new Set<Shell>();
  readonly #voteOf = new Map<string, NodeId>();
  readonly #committed: Entry[] = [];
  /** In whose term each of them was. */
  readonly #committedIn: Term[] = [];
  readonly #commitOf = new Map<Shell, number>();

  constructor(seed: number, size: number) {
    this.#random = new SeededRandom(seed);
    const random = this.#random;
    const some = (most: number) => (random.chance(0.5) ? random.fraction() * most : 0);
    const changes = some(0.03);
    this.#weather = {
      loss: some(0.3),
      duplication: some(0.3),
      slowMessage: some(0.3),
      slowDisk: some(0.95),
      crash: some(0.02),
      pause: some(0.01),
      cut: some(0.05),
      resets: some(0.02),
      transfer: some(0.01),
      // With changing voters, what a minority is changes as well: one at a time.
      rot: changes === 0 ? some(0.5) : 0,
      bar: some(0.02),
      trim: some(0.05),
      change: changes,
      read: some(0.2),
      propose: random.fraction() * 0.5,
    };
    this.#config = {
      ...DEFAULTS,
      ...founding(voterIds(size)),
      maxAppendBytes: random.between(1, 60),
      maxInflightAppends: random.between(1, 4),
      maxInflightBytes: random.between(1, 200),
      maxUncommittedBytes: random.between(50, 2000),
    };
    // Two more are there, who belong to nothing yet.
    this.#members = voterIds(size + 2).map((id) => ({
      id,
      disk: emptyDisk(),
      shell: undefined,
      pausedUntil: 0,
      untold: [],
      lost: [],
    }));
    for (const member of this.#members) this.#start(member);
  }

  run(steps: number): ModelResult {
    for (let step = 0; step < steps; step += 1) {
      this.#advance();
      this.#misfortune();
      if (this.#random.chance(this.#weather.propose)) this.#propose();
      if (step % 16 === 0) this.#checkLogMatching();
    }
    this.#heal();
    return {
      committed: this.#committed.length,
      reads: this.#readsAnswered,
      terms: Math.max(0, ...this.#leaderOf.keys()),
      leaders: this.#leaderOf.size,
      resets: this.#resets,
      changes: this.#voterSets.size,
    };
  }

  #advance(): void {
    this.#nowMs += this.#random.between(0, this.#calm ? 12 : 40);
    const due = this.#flights.filter((flight) => flight.at <= this.#nowMs);
    this.#flights = this.#flights.filter((flight) => flight.at > this.#nowMs);
    for (const flight of due) {
      const member = this.#member(flight.to);
      if (!member.shell) continue;
      // A paused process reads its mail when it wakes.
      if (member.pausedUntil > this.#nowMs) this.#flights.push({ ...flight, at: member.pausedUntil });
      else member.shell.step({ type: 'message', from: flight.from, message: flight.message }, this.#nowMs);
    }
    this.#finishFetches();
    for (const member of this.#members) {
      if (member.pausedUntil > this.#nowMs) continue;
      this.#workDisk(member);
      if (member.shell && this.#nowMs >= member.shell.core.nextDeadlineMs) member.shell.step({ type: 'tick' }, this.#nowMs);
    }
  }

  #workDisk(member: Member): void {
    const { shell } = member;
    if (!shell) return;
    while (shell.writing.length > 0 && (this.#calm || !this.#random.chance(this.#weather.slowDisk)))
      member.untold.push(shell.completeWrite());
    // Told one by one, late, or only the last; and twice.
    while (member.untold.length > 0 && (this.#calm || this.#random.chance(0.7))) {
      const unit = member.untold.shift();
      assert(unit !== undefined, 'not empty');
      if (member.untold.length > 0 && this.#random.chance(0.5)) continue;
      shell.tellWritten(unit, this.#nowMs);
      if (this.#random.chance(0.1)) shell.tellWritten(unit, this.#nowMs);
    }
  }

  #misfortune(): void {
    const { crash, pause, cut, resets, transfer, bar, trim, change, read } = this.#weather;
    if (this.#random.chance(trim)) this.#trim(this.#anyMember());
    if (this.#random.chance(change)) this.#changeMembership();
    if (this.#random.chance(read)) this.#read(this.#anyMember());
    for (const member of this.#members) {
      if (member.shell && this.#random.chance(crash)) this.#crash(member);
      else if (!member.shell && this.#random.chance(0.05)) this.#start(member);
      if (this.#random.chance(pause)) member.pausedUntil = this.#nowMs + this.#random.between(50, 2500);
    }
    if (this.#random.chance(cut)) this.#cut();
    if (this.#random.chance(0.02)) this.#cuts.clear();
    if (this.#random.chance(resets)) this.#resetConnection();
    if (this.#random.chance(bar))
      this.#input(this.#anyMember(), { type: 'fitness', fitness: this.#random.pick(['fit', 'fit', 'reluctant', 'unfit']) });
    if (this.#random.chance(transfer)) {
      const to = this.#random.chance(0.5) ? undefined : this.#anyMember().id;
      this.#input(this.#anyMember(), { type: 'transferLeader', to });
    }
  }

  #cut(): void {
    const one = this.#anyMember().id;
    const isolate = this.#random.chance(0.4);
    const others = isolate ? this.#members.map((member) => member.id) : [this.#anyMember().id];
    const direction = this.#random.between(0, 2);
    for (const other of others) {
      if (direction !== 0) this.#cuts.add(`${one}>${other}`);
      if (direction !== 1) this.#cuts.add(`${other}>${one}`);
    }
  }

  /** A connection breaks, truly or seemingly, and comes back: only these two are told. */
  #resetConnection(): void {
    const peer = this.#anyMember().id;
    const member = this.#anyMember();
    this.#input(member, { type: 'peerDisconnected', peer });
    if (this.#random.chance(0.7)) this.#input(member, { type: 'peerConnected', peer });
  }

  #crash(member: Member): void {
    const shell = member.shell;
    assert(shell !== undefined, 'it runs');
    // The disk keeps some of the writes on their way, and possibly a part of the next: in order, in any case.
    const kept = this.#random.between(0, shell.writing.length);
    for (const unit of shell.writing.slice(0, kept)) applyUnit(member.disk, unit);
    const torn = shell.writing[kept];
    if (torn && this.#random.chance(0.5)) {
      const count = this.#random.between(0, torn.entries.length);
      if (count > 0 || torn.truncateFrom === undefined) applyUnit(member.disk, torn, count);
    }
    if (this.#random.chance(this.#weather.rot)) this.#rot(member);
    member.shell = undefined;
    member.untold = [];
    member.pausedUntil = 0;
    this.#flights = this.#flights.filter((flight) => flight.to !== member.id);
    for (const other of this.#members)
      if (this.#random.chance(0.7)) this.#input(other, { type: 'peerDisconnected', peer: member.id });
  }

  /**
   * A disk fault takes the end of a log that was durable. On a minority only: whoever has not come as far again counts as faulty.
   */
  #rot(member: Member): void {
    const { disk } = member;
    const last = disk.entries.at(-1);
    const { voters } = this.#config.founding;
    const faulty = this.#members.filter((other) => other !== member && isShort(other.disk)).length;
    if (last === undefined || this.#calm || faulty + 1 > (voters.length - 1) / 2) return;
    const from = disk.base?.index ?? 0;
    if (disk.entries.length <= from) return;
    if (disk.floor === undefined || isBehind(disk.floor, last)) disk.floor = { index: last.index, term: last.term };
    member.lost = mergeLost(member.lost, disk.entries);
    disk.entries.length = this.#random.between(from, disk.entries.length - 1);
  }

  #start(member: Member): void {
    const { hardState, entries, floor, base } = member.disk;
    const snapshotAt = (index: number) => this.#committed.slice(0, index);
    const disk: Disk = { hardState, entries: [...entries], floor, base, snapshotAt };
    member.disk = disk;
    const config: RaftConfig = { ...this.#config, id: member.id };
    member.shell = new Shell(config, disk, this.#random, this.#nowMs, {
      send: (from, to, message) => this.#send(from, to, message),
      stepped: (shell, effects) => this.#checkStep(shell, effects),
    });
    for (const other of this.#members) {
      if (other !== member && (this.#calm || this.#random.chance(0.9)))
        this.#input(other, { type: 'peerConnected', peer: member.id });
    }
  }

  /** Drops a part of what is committed, applied and durable. */
  #trim({ shell, disk }: Member): void {
    if (!shell) return;
    const most = Math.min(shell.core.commitIndex, shell.core.durableIndex);
    const least = (disk.base?.index ?? 0) + 1;
    if (most < least) return;
    const index = logIndex(this.#random.between(least, most));
    disk.base = shell.core.baseAt(index);
    shell.step({ type: 'trimmed', index }, this.#nowMs);
  }

  /** What the leader's caller wants: learners that come, learners that get the vote, members that go, and any of it at a bad moment. */
  #changeMembership(): void {
    const leader = this.#random.pick([...this.#leaders(), this.#anyMember()]);
    const configuration = leader.shell?.core.status.configuration;
    if (!configuration) return;
    const { members, voters } = configuration;
    const ids = members.map(({ id }) => id);
    const strangers = this.#members.filter(({ id }) => !ids.includes(id));
    const learners = ids.filter((id) => !voters.includes(id));
    const leaving = this.#random.pick(ids.length > 0 ? ids : [leader.id]);
    const stay = <Item extends NodeId | RaftMember>(all: readonly Item[]): Item[] =>
      all.filter((one) => (typeof one === 'string' ? one : (one as RaftMember).id) !== leaving);
    const come = strangers.slice(0, 1).map(({ id }) => memberFor(id));
    const [nextMembers, nextVoters] = this.#random.pick([
      [[...members, ...come], voters],
      [members, [...voters, ...learners]],
      [members, [...voters, ...learners]],
      [stay(members), stay(voters)],
      [stay(members), stay([...voters, ...learners])],
      [members.map((one) => (one.id === leaving ? { ...one, returning: true as const } : one)), stay(voters)],
    ] as const);
    this.#input(leader, { type: 'changeMembership', members: nextMembers, voters: nextVoters });
  }

  #read(member: Member): void {
    this.#reads += 1;
    this.#readFrom.set(this.#reads, this.#committed.length);
    this.#input(member, { type: 'read', read: this.#reads });
  }

  /** The snapshot is fetched at its own pace; meanwhile anything may happen to either side. */
  #fetch(shell: Shell, { from, index, term }: SnapshotSource): void {
    const key = `${shell.id}<${from}:${index}`;
    if (this.#fetches.some((fetch) => fetch.key === key)) return;
    const at = this.#nowMs + this.#random.between(0, this.#calm ? 50 : 2000);
    this.#fetches.push({ key, at, shell, from, index, term });
  }

  #finishFetches(): void {
    const due = this.#fetches.filter(({ at }) => at <= this.#nowMs);
    this.#fetches = this.#fetches.filter(({ at }) => at > this.#nowMs);
    for (const { shell, from, index, term } of due) {
      const { base } = this.#member(from).disk;
      const member = this.#member(shell.id);
      if (member.shell !== shell || base?.index !== index || base.term !== term) continue;
      this.#input(member, { type: 'snapshotFetched', base });
    }
  }

  #propose(): void {
    const leaders = this.#leaders();
    const member = this.#random.chance(0.8) ? leaders[this.#random.between(0, leaders.length - 1)] : this.#anyMember();
    if (!member?.shell) return;
    const proposals = Array.from({ length: this.#random.between(1, 5) }, () => {
      this.#payloads += 1;
      const payload = new Uint8Array(this.#random.between(4, 40));
      new DataView(payload.buffer).setUint32(0, this.#payloads);
      return { kind: FIRST_APPLICATION_KIND, payload };
    });
    this.#input(member, { type: 'propose', term: member.shell.core.status.term, proposals });
  }

  #input(member: Member, input: Input): void {
    if (member.pausedUntil > this.#nowMs) return;
    member.shell?.step(input, this.#nowMs);
  }

  #send(from: NodeId, to: NodeId, message: PeerMessage): void {
    this.#checkMessage(from, to, message);
    const { loss, duplication, slowMessage } = this.#weather;
    const copies = !this.#calm && this.#random.chance(duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (!this.#calm && (this.#random.chance(loss) || this.#cuts.has(`${from}>${to}`))) continue;
      const slow = !this.#calm && this.#random.chance(slowMessage);
      this.#flights.push({ at: this.#nowMs + this.#random.between(0, slow ? 1500 : 15), from, to, message });
    }
  }

  #checkMessage(from: NodeId, to: NodeId, message: PeerMessage): void {
    const vote = (term: Term, candidate: NodeId) => {
      const key = `${from}@${term}`;
      const earlier = this.#voteOf.get(key);
      assert(earlier === undefined || earlier === candidate, `${from} voted twice in term ${term}`);
      this.#voteOf.set(key, candidate);
      const { hardState } = this.#member(from).disk;
      assert(hardState.term >= term, `${from} attests a vote in ${term} before it is durable`);
      assert(hardState.term > term || hardState.vote === candidate, `${from} attests another vote than the one on its disk`);
    };
    if (message.type === 'voteRequest') vote(message.term, from);
    if (message.type === 'voteGranted') vote(message.term, to);
    if (message.type === 'appendAccepted') {
      const { disk } = this.#member(from);
      assert(
        disk.entries.length >= message.matchIndex || disk.hardState.term > message.term,
        `${from} acknowledges what is not durable`,
      );
      this.#checkMatchesLeader(disk, message.term, message.matchIndex);
    }
  }

  /** What is acknowledged to a leader is what that leader has. */
  #checkMatchesLeader(disk: Disk, term: Term, matchIndex: number): void {
    const leader = this.#leaders().find((member) => member.shell?.core.status.term === term);
    if (!leader?.shell || disk.hardState.term !== term || matchIndex === 0) return;
    const own = disk.entries[matchIndex - 1];
    assert(
      own?.term === leader.shell.entries[matchIndex - 1]?.term,
      `entry ${matchIndex} is acknowledged but differs from the leader's`,
    );
  }

  #checkStep(shell: Shell, effects: Effects): void {
    assert(shell.core.lastIndex === shell.entries.length, 'core and log agree on its end');
    if (effects.write?.reset !== undefined) this.#resets += 1;
    if (effects.status !== undefined) this.#voterSets.add(JSON.stringify(effects.status.configuration.voters));
    const last = shell.entries.at(-1);
    assert(!last || last.term <= shell.core.status.term, 'no entry is newer than the term');
    for (let index = 1; index <= shell.core.durableIndex; index += 1) {
      // Only the end is worth looking at every time.
      if (index < shell.core.durableIndex - 2) index = shell.core.durableIndex - 2;
      assert(shell.disk.entries[index - 1] === shell.entries[index - 1], `entry ${index} is called durable but is not on the disk`);
    }
    if (effects.status?.role === 'leader' && !this.#isKnownLeader(shell)) this.#checkNewLeader(shell);
    if (effects.fetchSnapshot !== undefined) this.#fetch(shell, effects.fetchSnapshot);
    for (const { read, index } of effects.reads) {
      const least = this.#readFrom.get(read) ?? 0;
      assert(
        index === undefined || index >= least,
        `read ${read} sees the log up to ${index}, although ${least} was committed before`,
      );
      if (index !== undefined) this.#readsAnswered += 1;
    }
    if (effects.commitIndex !== undefined) this.#checkCommit(shell, effects.commitIndex);
  }

  /** Its status changed although it led already: the group did. */
  #isKnownLeader(shell: Shell): boolean {
    return this.#leaderOf.get(shell.core.status.term) === shell.id && this.#leadingShells.has(shell);
  }

  /** Election Safety (paper 5.2) and Leader Completeness (paper 5.4). */
  #checkNewLeader(shell: Shell): void {
    const { term } = shell.core.status;
    assert(!this.#leaderOf.has(term), `term ${term} has two leaders: ${this.#leaderOf.get(term)} and ${shell.id}`);
    this.#leaderOf.set(term, shell.id);
    this.#leadingShells.add(shell);
    assert(shell.disk.hardState.term === term && shell.disk.hardState.vote === shell.id, "the leader's own vote is durable");
    for (const entry of this.#committed) {
      // A leader of an older term, elected by votes that were long on their way, is no threat: it can commit nothing.
      if ((this.#committedIn[entry.index - 1] ?? 0) >= term) continue;
      assert(
        shell.entries[entry.index - 1]?.term === entry.term,
        `leader ${shell.id} of ${term} lacks committed entry ${entry.index}`,
      );
    }
  }

  /** State Machine Safety (paper 5.4.3), and that a quorum of disks holds what is called committed. */
  #checkCommit(shell: Shell, commitIndex: number): void {
    for (let index = (this.#commitOf.get(shell) ?? 0) + 1; index <= commitIndex; index += 1) {
      const entry = shell.entries[index - 1];
      assert(entry !== undefined, 'committed entries exist');
      const known = this.#committed[index - 1];
      if (known) {
        assert(known.term === entry.term && known.payload === entry.payload, `entry ${index} was committed with two values`);
        continue;
      }
      // What a fault took counts: the node promised it, and keeps the promise with its vote.
      const holds = (id: NodeId): boolean => {
        const { disk, lost } = this.#member(id);
        return (disk.entries[index - 1]?.term ?? lost[index - 1]?.term) === entry.term;
      };
      const { configuration } = shell.core.status;
      const holders = this.#members.map(({ id }) => id).filter(holds);
      assert(isQuorum(configuration, holds), `entry ${index} is committed but durable on ${holders} only`);
      this.#committed.push(entry);
      this.#committedIn.push(shell.core.status.term);
    }
    this.#commitOf.set(shell, commitIndex);
  }

  /** Log Matching (paper 5.3), over disks: the same index and term means the same entries up to there. */
  #checkLogMatching(): void {
    for (const one of this.#members) {
      for (const other of this.#members) {
        if (one.id >= other.id) continue;
        let index = Math.min(one.disk.entries.length, other.disk.entries.length);
        while (index > 0 && one.disk.entries[index - 1]?.term !== other.disk.entries[index - 1]?.term) index -= 1;
        for (; index > 0; index -= 1) {
          const [left, right] = [one.disk.entries[index - 1], other.disk.entries[index - 1]];
          assert(
            left?.term === right?.term && left?.payload === right?.payload,
            `${one.id} and ${other.id} break log matching at ${index}`,
          );
        }
      }
    }
  }

  /** The weather clears: with no help from clients there must be one leader and equal logs, then progress (B29, liveness). */
  #heal(): void {
    this.#calm = true;
    this.#cuts.clear();
    for (const member of this.#members) {
      member.pausedUntil = 0;
      this.#input(member, { type: 'fitness', fitness: 'fit' });
      if (!member.shell) this.#start(member);
      for (const other of this.#members) if (other !== member) this.#input(member, { type: 'peerConnected', peer: other.id });
    }
    const until = (what: string, done: () => boolean) => {
      // A log that lost nearly everything comes back entry by entry, where messages are that small.
      const deadline = this.#nowMs + 60_000;
      while (!done()) {
        assert(this.#nowMs < deadline, `no liveness: ${what}; ${this.#describe()}`);
        this.#advance();
      }
    };
    until(
      'a leader, and equal logs',
      () => this.#leaders().length === 1 && this.#group().every((member) => this.#isCaughtUp(member)) && this.#isSettled(),
    );
    const before = this.#committed.length;
    until('a proposal is taken', () => {
      this.#propose();
      return this.#committed.length > before + 5;
    });
    until('all commit everything', () => this.#group().every((member) => this.#isCaughtUp(member)));
    const terms = this.#leaderOf.size;
    const quietUntil = this.#nowMs + 5000;
    while (this.#nowMs < quietUntil) this.#advance();
    assert(this.#leaderOf.size === terms, 'a healthy group keeps its leader');
    this.#checkLogMatching();
  }

  /** Who belongs to it, as its leader knows. */
  #group(): Member[] {
    const configuration = this.#leaders()[0]?.shell?.core.status.configuration;
    return this.#members.filter(({ id }) => configuration?.members.some((member) => member.id === id));
  }

  #isSettled(): boolean {
    return this.#leaders()[0]?.shell?.core.isSettled === true;
  }

  #isCaughtUp(member: Member): boolean {
    const leader = this.#leaders()[0]?.shell;
    if (!leader || !member.shell) return false;
    const { core } = member.shell;
    return core.commitIndex === leader.core.lastIndex && core.durableIndex === leader.core.lastIndex;
  }

  #leaders(): Member[] {
    return this.#members.filter((member) => member.shell?.core.status.role === 'leader');
  }

  #describe(): string {
    return this.#members
      .map(
        ({ id, shell }) =>
          `${id}:${JSON.stringify(shell?.core.status)} log ${shell?.core.lastIndex} commit ${shell?.core.commitIndex}`,
      )
      .join('; ');
  }

  #member(id: NodeId): Member {
    const member = this.#members.find((candidate) => candidate.id === id);
    assert(member !== undefined, `no member ${id}`);
    return member;
  }

  #anyMember(): Member {
    const member = this.#members[this.#random.between(0, this.#members.length - 1)];
    assert(member !== undefined, 'there are members');
    return member;
  }
}

/** Lacks, still, what it once promised. */
function isShort({ floor, entries }: Disk): boolean {
  const last = entries.at(-1);
  return floor !== undefined && (last === undefined || isBehind(last, floor));
}

/** All that the node ever promised: the newest word for each index. */
function mergeLost(before: readonly Entry[], now: readonly Entry[]): readonly Entry[] {
  return [...now, ...before.slice(now.length)];
}
