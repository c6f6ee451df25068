/** Gets back from other members the snapshot that this node's log begins with, when its disk has lost it. */
import type { Clock } from '../base/clock.ts';
import type { SnapshotSource } from '../raft/effects.ts';
import type { NodeId } from '../raft/types.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';

export interface LostSnapshotOptions {
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

export class LostSnapshot {
  readonly #options: LostSnapshotOptions;
  #asked = 0;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(options: LostSnapshotOptions) {
    this.#options = options;
  }

  get isMissing(): boolean {
    const { log, snapshots } = this.#options;
    return log.base.index > 0 && !snapshots.list().some(({ index }) => index === log.base.index);
  }

  look(): void {
    const { log, clock, peers, fetch } = this.#options;
    if (!this.isMissing || clock.nowMs() < this.#nextMs) return;
    const members = peers();
    const from = members[this.#asked % members.length];
    if (from === undefined) return;
    this.#asked += 1;
    this.#nextMs = clock.nowMs() + ASK_EVERY_MS;
    fetch({ from, index: log.base.index, term: log.base.term });
  }
}
