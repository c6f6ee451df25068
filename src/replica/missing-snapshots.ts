/**
 * Gets from other members the snapshots that this node should have and has not: the one that its log begins with, when the disk has lost it; and one at
 * which the group cut its logs, when this node was away as it was made, or had no room for it. Without it this node's log could not be cut.
 */
import type { Clock } from '../base/clock.ts';
import { type Resolvers, withResolvers } from '../base/with-resolvers.ts';
import type { SnapshotSource } from '../raft/effects.ts';
import type { LogPosition, NodeId } from '../raft/types.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';

export interface MissingSnapshotsOptions {
  readonly log: Pick<RaftLog, 'base'>;
  readonly snapshots: Pick<SnapshotStore, 'list'>;
  readonly clock: Clock;
  /** The other members. */
  readonly peers: () => readonly NodeId[];
  /** Does nothing while another one is being fetched. */
  readonly fetch: (source: SnapshotSource) => void;
}

/** Each time another member is asked. */
const ASK_EVERY_MS = 1_000;

export class MissingSnapshots {
  readonly #options: MissingSnapshotsOptions;
  /** The newest that was asked for: with it, older ones are of no use. */
  #wanted: (Resolvers<boolean> & { readonly at: LogPosition }) | undefined;
  #asked = 0;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(options: MissingSnapshotsOptions) {
    this.#options = options;
  }

  /** The one that the log begins with is not here. */
  get lacksBase(): boolean {
    const { base } = this.#options.log;
    return base.index > 0 && !this.#has(base);
  }

  /** Resolves to true once the snapshot is here, to false when it is no longer wanted. */
  get(at: LogPosition): Promise<boolean> {
    if (this.#has(at)) return Promise.resolve(true);
    this.#wanted?.resolve(false);
    this.#wanted = { ...withResolvers<boolean>(), at };
    return this.#wanted.promise;
  }

  look(): void {
    this.#settle();
    const at = this.lacksBase ? this.#options.log.base : this.#wanted?.at;
    if (at !== undefined) this.#ask(at);
  }

  stop(): void {
    this.#wanted?.resolve(false);
    this.#wanted = undefined;
  }

  #settle(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    const isCut = this.#options.log.base.index >= wanted.at.index;
    if (!isCut && !this.#has(wanted.at)) return;
    this.#wanted = undefined;
    wanted.resolve(!isCut);
  }

  #ask({ index, term }: LogPosition): void {
    const { clock, peers, fetch } = this.#options;
    const members = peers();
    const from = members[this.#asked % members.length];
    if (from === undefined || clock.nowMs() < this.#nextMs) return;
    this.#asked += 1;
    this.#nextMs = clock.nowMs() + ASK_EVERY_MS;
    fetch({ from, index, term });
  }

  #has({ index }: LogPosition): boolean {
    return this.#options.snapshots.list().some((info) => info.index === index);
  }
}
