/** One group's way to its other members, over the links that all groups of this node share. */
import { assert } from '../base/assert.ts';
import type { Member } from '../raft/configuration.ts';
import type { PeerMessage } from '../raft/messages.ts';
import type { Entry, LogPosition, NodeId } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { PeerLink } from './peer-link.ts';
import type { PeerEvents, PeerNetwork, SnapshotPiece } from './peer-network.ts';
import type { PeerRequests } from './peer-requests.ts';

/** What the node does for each of its groups. */
export interface SharedLinks {
  linkTo(peer: NodeId): PeerLink | undefined;
  readonly requests: PeerRequests;
  /** The members of a group changed. */
  membersChanged(): void;
}

export class GroupNetwork implements PeerNetwork {
  readonly group: string;
  readonly #self: NodeId;
  readonly #links: SharedLinks;
  #members: readonly Member[] = [];
  #founding: Uint8Array = new Uint8Array(0);
  #events: PeerEvents | undefined;

  constructor(group: string, self: NodeId, links: SharedLinks) {
    this.group = group;
    this.#self = self;
    this.#links = links;
  }

  /** What this node tells others the group was founded with; empty while it does not know. */
  get founding(): Uint8Array {
    return this.#founding;
  }

  set founding(configuration: Uint8Array) {
    this.#founding = configuration;
  }

  /** Of the group, without this node. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** Undefined before the replica takes messages, and after it has stopped. */
  get events(): PeerEvents | undefined {
    return this.#events;
  }

  /** Called once, when the replica is ready to take messages. */
  start(events: PeerEvents): void {
    assert(this.#events === undefined, 'a network is started once');
    this.#events = events;
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members.filter(({ id }) => id !== this.#self);
    this.#links.membersChanged();
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#links.linkTo(to)?.send(this.group, message);
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.linkTo(peer)?.connected ?? false;
  }

  async fetchEntry(from: NodeId, at: LogPosition): Promise<Entry | undefined> {
    return this.#links.requests.entry(this.#addressOf(from), this.group, at);
  }

  async fetchSnapshot(from: NodeId, at: LogPosition, position: number, maxBytes: number): Promise<SnapshotPiece | undefined> {
    return this.#links.requests.snapshotPiece(this.#addressOf(from), this.group, at, position, maxBytes);
  }

  #addressOf(node: NodeId): string {
    const address = this.#links.linkTo(node)?.address;
    if (address === undefined) throw new LograftError('UNREACHABLE', `${node} is no member of ${this.group}`);
    return address;
  }
}
