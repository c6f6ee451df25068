/** Who belongs to a fake cluster's group: the rules of ChangeMembers, one step at a time, without any log. */
import { LograftError } from '../../../src/rpc/error.ts';
import type { ChangeMembersRequest } from '../../../src/rpc/generated/lograft/v1/ChangeMembersRequest.ts';
import type { MemberStatus } from '../../../src/rpc/generated/lograft/v1/MemberStatus.ts';

interface FakeMember {
  readonly node: string;
  readonly address: string;
  voter: boolean;
  leaving: boolean;
  /** Entries that it lacks. */
  lag: number;
  reachable: boolean;
}

export class FakeMembers {
  readonly lastIndex = 1_000;
  /** Requests that changed something, in order. */
  readonly changes: Pick<ChangeMembersRequest, 'addLearners' | 'promote' | 'remove'>[] = [];
  settled = true;
  /** Members with another disk than they are counted with. */
  readonly wiped = new Set<string>();
  /** What a new learner lacks at first, and what it gets each time somebody looks. */
  learnerLag = 0;
  learnsPerLook = 400;
  /** Asked before each change: an error refuses it. */
  refusal: (request: ChangeMembersRequest) => LograftError | undefined = () => undefined;
  #members: FakeMember[] = [];

  get nodes(): string[] {
    return this.#members.map(({ node }) => node);
  }

  get voters(): string[] {
    return this.#members.filter(({ voter }) => voter).map(({ node }) => node);
  }

  add(node: string, address: string, more: Partial<FakeMember> = {}): void {
    this.#members.push({ node, address, voter: true, leaving: false, lag: 0, reachable: true, ...more });
  }

  get(node: string): FakeMember {
    const member = this.#members.find((candidate) => candidate.node === node);
    if (member === undefined) throw new Error(`no member ${node}`);
    return member;
  }

  /** For GetNodeStatus. */
  look(leads: boolean): MemberStatus[] {
    return this.#members.map((member) => {
      if (leads) member.lag = Math.max(0, member.lag - (member.voter ? 0 : this.learnsPerLook));
      const { node, address, voter, leaving, lag, reachable } = member;
      const figures = leads
        ? { matchIndex: this.lastIndex - lag, lag, caughtUp: lag === 0 }
        : { matchIndex: 0, lag: 0, caughtUp: false };
      return { node, address, voter, leaving, reachable, disk: `disk of ${node}`, ...figures };
    });
  }

  change(request: ChangeMembersRequest): MemberStatus[] {
    const { addLearners, promote, remove } = request;
    const refusal = this.refusal(request);
    if (refusal !== undefined) throw refusal;
    const lost = addLearners.find(({ node }) => this.wiped.has(node) && this.voters.includes(node));
    if (lost !== undefined) throw new LograftError('OTHER_DISK', `${lost.node} votes with another disk than it has now`);
    const added = addLearners.filter(({ node }) => !this.nodes.includes(node));
    const promoted = promote.filter((node) => !this.voters.includes(node));
    const removed = remove.filter((node) => this.nodes.includes(node));
    if (added.length + promoted.length + removed.length === 0) return this.look(true);
    if (!this.settled) throw new LograftError('MEMBERS_CHANGING', 'another change is under way');
    for (const node of promoted) {
      if (!this.nodes.includes(node)) throw new LograftError('INVALID_REQUEST', `${node} must be a learner first`);
      if (this.get(node).lag > 0) throw new LograftError('NOT_CAUGHT_UP', `${node} has not caught up with the log`);
    }
    for (const { node, address } of added) this.add(node, address, { voter: false, lag: this.learnerLag });
    for (const node of promoted) this.get(node).voter = true;
    this.#members = this.#members.filter(({ node }) => !removed.includes(node));
    for (const { node } of added) this.wiped.delete(node);
    this.changes.push({ addLearners, promote, remove });
    return this.look(true);
  }
}
