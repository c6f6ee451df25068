/**
 * Takes back a member whose disk was wiped or exchanged, without an operator. With another disk the node has forgotten what it promised: it is another
 * member (docs/raft.md). So the leader goes the operator's way, one change after the other: it takes the vote from the lost disk, which stays as a
 * learner that is to return; lets the new disk take its place there, where it counts for nothing; and gives the vote back when that one has caught up.
 * What is left to do stands in the configuration itself ({@link Member.returning}), so whoever leads next goes on.
 *
 * Taking the vote from a dead disk never makes a quorum harder to reach for those alive: it was none of them, and a quorum of 2k + 1 voters is k + 1,
 * as it is of 2k; one of 2k is k + 1, and of 2k - 1 only k. Giving it back asks for one more at most, and brings that one. On the way both
 * sets must agree (thesis 4.3), so nothing is begun unless those alive are a quorum even with the lost one counted against them; then at least one
 * other voter is alive, and the last vote is never taken.
 *
 * A disk is lost when nothing was heard of it for long, not even a question, while another one answers in its name at the member's address. Whoever
 * is heard of keeps its place: of two nodes with one name, the one that is counted.
 */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { Repeat } from '../base/repeat.ts';
import type { Configuration, Member } from '../raft/configuration.ts';
import { isQuorum } from '../raft/quorum.ts';
import type { NodeId, Term } from '../raft/types.ts';
import type { Group } from './group.ts';
import type { MemberFacts } from './member-changes.ts';

const LOOK_EVERY_MS = 1_000;
/** Of silence, at least. */
const LOST_AFTER_MS = 10_000;
/** And so many of the longer election timeouts, within each of which a member that is alive is heard of several times. */
const LOST_AFTER_TIMEOUTS = 10;

/** How long a member may be silent before its disk may be lost. */
export function patienceMs(electionTimeoutMaxMs: number): number {
  return Math.max(LOST_AFTER_MS, LOST_AFTER_TIMEOUTS * electionTimeoutMaxMs);
}

export interface Sight {
  /** Heard of just now, with the disk that they are counted with; this node among them. */
  readonly alive: ReadonlySet<NodeId>;
  /** Those among them that keep up with the log. */
  readonly caughtUp: ReadonlySet<NodeId>;
  /** Members whose disk is lost: which one answers in its place. */
  readonly lost: ReadonlyMap<NodeId, string>;
}

export interface NextChange {
  readonly members: readonly Member[];
  readonly voters: readonly NodeId[];
  readonly node: NodeId;
  /** For the log. */
  readonly what: string;
}

/** The one change that is due; undefined when none is. The group must be settled. */
export function nextChange(configuration: Configuration, sight: Sight): NextChange | undefined {
  return takeVote(configuration, sight) ?? takeDisk(configuration, sight) ?? giveVote(configuration, sight);
}

function takeVote(configuration: Configuration, { alive, lost }: Sight): NextChange | undefined {
  const { members, voters } = configuration;
  const node = voters.find((id) => lost.has(id));
  if (node === undefined || !isQuorum(configuration, (id) => id !== node && alive.has(id))) return undefined;
  return {
    members: members.map((member) => (member.id === node ? { ...member, returning: true } : member)),
    voters: voters.filter((id) => id !== node),
    node,
    what: 'its disk is lost: it has no vote until it has returned with another',
  };
}

function takeDisk({ members, voters }: Configuration, { lost }: Sight): NextChange | undefined {
  const node = members.find(({ id }) => !voters.includes(id) && lost.has(id))?.id;
  const disk = node && lost.get(node);
  if (node === undefined || disk === undefined) return undefined;
  return {
    members: members.map((member) => (member.id === node ? { ...member, disk } : member)),
    voters,
    node,
    what: 'it learns the log on another disk',
  };
}

/** The core looks more closely at how far it is, and may yet refuse. */
function giveVote({ members, voters }: Configuration, { caughtUp }: Sight): NextChange | undefined {
  const node = members.find(({ id, returning }) => returning && caughtUp.has(id))?.id;
  if (node === undefined) return undefined;
  return { members, voters: [...voters, node], node, what: 'it has returned, and votes again' };
}

export class LostDisks {
  readonly #group: Group;
  readonly #facts: MemberFacts;
  readonly #lostAfterMs: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #looks: Repeat;
  /** A leader that has just been elected has not heard of everybody yet. */
  #leads: { readonly term: Term; readonly sinceMs: number } | undefined;

  constructor(group: Group, facts: MemberFacts, lostAfterMs: number, clock: Clock, log: Logger) {
    this.#group = group;
    this.#facts = facts;
    this.#lostAfterMs = lostAfterMs;
    this.#clock = clock;
    this.#log = log;
    this.#looks = new Repeat(clock, LOOK_EVERY_MS, () => this.#look());
  }

  close(): void {
    this.#looks.close();
  }

  async #look(): Promise<void> {
    const { replica } = this.#group;
    const { term } = replica.status;
    if (!this.#group.leads) this.#leads = undefined;
    else if (this.#leads?.term !== term) this.#leads = { term, sinceMs: this.#clock.nowMs() };
    if (!this.#mayChange(term)) return;
    const lost = await this.#lostDisks();
    // Asking took its time: a change may have begun, the lost one may have spoken.
    if (!this.#mayChange(term)) return;
    for (const id of lost.keys()) if (!this.#isSilent(id)) lost.delete(id);
    const change = nextChange(replica.configuration, { ...this.#followers(), lost });
    if (change === undefined) return;
    const { members, voters, node, what } = change;
    const result = replica.changeMembership(members, voters);
    if (result?.accepted) this.#log.warn({ node, voters }, what);
    else this.#log.debug({ node, problem: result?.problem }, 'a lost disk has to wait');
  }

  #mayChange(term: Term): boolean {
    const { leads, replica } = this.#group;
    return leads && replica.status.term === term && replica.settled;
  }

  async #lostDisks(): Promise<Map<NodeId, string>> {
    const silent = this.#group.members.filter(({ id }) => this.#isSilent(id));
    const found = await Promise.all(silent.map(async (member) => [member.id, await this.#diskAt(member)] as const));
    return new Map(found.filter((one): one is [NodeId, string] => one[1] !== undefined));
  }

  /** The disk that answers in the member's name at its address; undefined when it is the member's own, or nobody's. */
  async #diskAt({ id, address, disk }: Member): Promise<string | undefined> {
    const introduced = await this.#facts.introduce(this.#group.name, address).catch(() => undefined);
    return introduced?.node === id && introduced.disk !== disk ? introduced.disk : undefined;
  }

  #isSilent(id: NodeId): boolean {
    if (id === this.#group.self || this.#leads === undefined) return false;
    const heardMs = Math.max(this.#leads.sinceMs, this.#group.replica.memberHeardMs(id) ?? 0);
    return this.#clock.nowMs() - heardMs >= this.#lostAfterMs;
  }

  #followers(): Pick<Sight, 'alive' | 'caughtUp'> {
    const { self, replica } = this.#group;
    const active = replica.progress().filter((follower) => follower.active);
    const caughtUp = active.filter(({ state }) => state === 'replicate');
    return { alive: new Set([self, ...active.map(({ id }) => id)]), caughtUp: new Set(caughtUp.map(({ id }) => id)) };
  }
}
