/** What a router knows, and the rules by which reports change it. Pure: no time, no streams. */
import type { Catalogue } from '../rpc/generated/lograft/v1/Catalogue.ts';
import type { GroupRegistration } from '../rpc/generated/lograft/v1/GroupRegistration.ts';
import type { Registration } from '../rpc/generated/lograft/v1/Registration.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { RouteGroup } from '../rpc/generated/lograft/v1/RouteGroup.ts';
import type { RouteMember } from '../rpc/generated/lograft/v1/RouteMember.ts';

/** A claim to lead that lost against what is known. */
export interface RefusedClaim {
  readonly group: string;
  readonly node: string;
  readonly term: number;
  readonly knownTerm: number;
  readonly knownLeader: string;
}

interface GroupEntry {
  /** Term of `leader`'s leadership. 0: no leader reported yet. */
  term: number;
  /** Stays when its registration ends, so that in the same term only it can come back. */
  leader: string;
  /** False: the leader's registration ended, or it stepped down. Clients then wait for the next one instead of dialling a dead node. */
  leads: boolean;
  leaderAddress: string;
  /** Term of the report that `members` come from. */
  membersTerm: number;
  members: readonly RouteMember[];
}

/** Groups kept. Those without any registered node go first. */
export const MAX_GROUPS = 1_000;

export class RouteTable {
  readonly #groups = new Map<string, GroupEntry>();
  /** Registered nodes, and the groups they are in. */
  readonly #nodes = new Map<string, ReadonlySet<string>>();
  /** The newest that a node has told; forgotten with the last node, for a cluster that was made anew counts from the beginning. */
  #catalogue: Catalogue | null = null;
  #route: Route = { revision: 0, groups: [], catalogue: null };

  /** Grows with each change, and only then. */
  get revision(): number {
    return this.#route.revision;
  }

  get nodes(): number {
    return this.#nodes.size;
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  /** Everything known, as clients get it. The same object until something changes. */
  route(): Route {
    return this.#route;
  }

  /** Takes one node's full report. Gives the claims it did not believe. */
  register(report: Registration): readonly RefusedClaim[] {
    const before = this.#nodes.get(report.node);
    const groups = new Set(report.groups.map(({ group }) => group));
    this.#nodes.set(report.node, groups);
    for (const group of before ?? []) if (!groups.has(group)) this.#left(report.node, group);
    const { catalogue } = report;
    if (catalogue !== null && catalogue.revision > (this.#catalogue?.revision ?? -1)) this.#catalogue = catalogue;
    const refused: RefusedClaim[] = [];
    for (const group of report.groups) {
      const claim = this.#take(report, group);
      if (claim !== undefined) refused.push(claim);
    }
    this.#publish();
    return refused;
  }

  /** The node's registration ended: it is not reachable, and leads nothing as far as clients should know. */
  unregister(node: string): void {
    const groups = this.#nodes.get(node);
    if (groups === undefined) return;
    this.#nodes.delete(node);
    for (const group of groups) this.#left(node, group);
    if (this.#nodes.size === 0) this.#catalogue = null;
    this.#publish();
  }

  #take(report: Registration, said: GroupRegistration): RefusedClaim | undefined {
    const entry = this.#entry(said.group);
    if (entry === undefined) return undefined;
    if (!said.leader) {
      // It led in this very term and says it no longer does.
      if (entry.leader === report.node && said.term >= entry.term) entry.leads = false;
      // Where no leader has spoken yet, any member's word helps clients to find one.
      if (entry.term === 0 && said.term >= entry.membersTerm) takeMembers(entry, said);
      return undefined;
    }
    const { term: knownTerm, leader: knownLeader } = entry;
    if (said.term < knownTerm || (said.term === knownTerm && knownLeader !== report.node)) {
      return { group: said.group, node: report.node, term: said.term, knownTerm, knownLeader };
    }
    entry.term = said.term;
    entry.leader = report.node;
    entry.leads = true;
    entry.leaderAddress = report.address;
    takeMembers(entry, said);
    return undefined;
  }

  #entry(group: string): GroupEntry | undefined {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    if (this.#groups.size >= MAX_GROUPS && !this.#dropDeserted()) return undefined;
    const entry: GroupEntry = {
      term: 0,
      leader: '',
      leads: false,
      leaderAddress: '',
      membersTerm: 0,
      members: [],
    };
    this.#groups.set(group, entry);
    return entry;
  }

  #dropDeserted(): boolean {
    for (const group of this.#groups.keys()) {
      if (!this.#hasRegistered(group)) return this.#groups.delete(group);
    }
    return false;
  }

  #left(node: string, group: string): void {
    const entry = this.#groups.get(group);
    if (entry === undefined) return;
    if (entry.leader === node) entry.leads = false;
    if (this.#hasRegistered(group)) return;
    // Nobody is left whose word an older term could contradict. Forgetting the term lets a group that was wiped and starts again at
    // term 1 be believed; an old leader that comes back first is replaced by the first report of a higher term.
    entry.term = 0;
    entry.membersTerm = 0;
    entry.leader = '';
    entry.leaderAddress = '';
  }

  #hasRegistered(group: string): boolean {
    for (const groups of this.#nodes.values()) if (groups.has(group)) return true;
    return false;
  }

  #publish(): void {
    const groups = [...this.#groups].map(([group, entry]) => this.#published(group, entry));
    const { revision, groups: before, catalogue } = this.#route;
    if (catalogue === this.#catalogue && JSON.stringify(groups) === JSON.stringify(before)) return;
    this.#route = { revision: revision + 1, groups, catalogue: this.#catalogue };
  }

  #published(group: string, entry: GroupEntry): RouteGroup {
    return {
      group,
      term: entry.term,
      leader: entry.leads ? entry.leader : '',
      leaderAddress: entry.leads ? entry.leaderAddress : '',
      members: entry.members.map(({ node, address }) => ({ node, address, registered: this.#nodes.has(node) })),
    };
  }
}

function takeMembers(entry: GroupEntry, said: GroupRegistration): void {
  entry.members = said.members;
  entry.membersTerm = said.term;
}
