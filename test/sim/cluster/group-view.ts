/** One group as somebody sees it who sees all nodes at once: who leads it, and whether it is well. */
import { lostMembers } from '../faults/member-changes.ts';
import { Violation } from '../invariants/invariant.ts';
import type { NodeHistory } from './node-history.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { Witness } from './witness.ts';

export class GroupView {
  readonly #name: string;
  readonly #witness: Witness;
  readonly #cluster: SimCluster;
  /** '' for none. */
  readonly #preferredLeader: string;
  #toReach = 0;

  constructor(name: string, witness: Witness, cluster: SimCluster, preferredLeader: string) {
    this.#name = name;
    this.#witness = witness;
    this.#cluster = cluster;
    this.#preferredLeader = preferredLeader;
  }

  /** What is in anybody's log now is to be committed, or replaced. */
  remember(): void {
    this.#toReach = Math.max(...[...this.#witness.nodes.values()].map(({ lastIndex }) => lastIndex));
  }

  /** There is one leader, and everybody has committed something new since. */
  goesOn(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const nodes = this.#membersOf(leader);
    if (!nodes.every(({ running, term }) => running && term === leader.term)) return false;
    return nodes.every(({ commitIndex }) => commitIndex >= Math.min(this.#toReach, leader.lastIndex));
  }

  agrees(): boolean {
    const leader = this.#leader();
    if (leader === undefined || !this.#hasTakenBack(leader)) return false;
    return this.#membersOf(leader).every(
      (node) =>
        node.running &&
        node.commitIndex === leader.lastIndex &&
        node.lastIndex === leader.lastIndex &&
        node.durable.entries.length === node.memory.entries.length,
    );
  }

  checkPreferredLeader(): void {
    const leader = this.#leader();
    const wanted = leader && this.#membersOf(leader).find(({ id }) => id === this.#preferredLeader);
    if (wanted === undefined || !leader?.configuration?.voters.includes(wanted.id) || leader === wanted) return;
    throw new Violation('Liveness', `${leader.id} leads ${this.#name}, although ${wanted.id} is well and preferred`);
  }

  describe(): string {
    const nodes = [...this.#witness.nodes.values()].map(
      ({ id, running, role, term, lastIndex, commitIndex, appliedIndex }) =>
        `${id} ${running ? role : 'down'} term ${term} last ${lastIndex} commit ${commitIndex} applied ${appliedIndex}`,
    );
    return `${this.#name}: ${nodes.join('; ')}`;
  }

  /** Whoever lost its disk is a member with its new one, and votes if it did before. */
  #hasTakenBack({ configuration }: NodeHistory): boolean {
    if (configuration === undefined || lostMembers(configuration, this.#cluster.brokers).length > 0) return false;
    return !configuration.members.some(({ returning }) => returning);
  }

  /** Nobody knows of a newer one. */
  #leader(): NodeHistory | undefined {
    const nodes = [...this.#witness.nodes.values()];
    const leaders = nodes.filter(({ running, role }) => running && role === 'leader');
    return leaders.find((leader) => this.#membersOf(leader).every((node) => node.term <= leader.term));
  }

  /** Those that the leader counts on, unless they came with another disk. */
  #membersOf({ configuration }: NodeHistory): NodeHistory[] {
    const members = configuration?.members ?? [];
    const sound = members.filter(({ id, disk }) => this.#cluster.broker(id)?.diskId === disk);
    return sound.map(({ id }) => this.#witness.node(id));
  }
}
