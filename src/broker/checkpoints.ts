/** Keeps a snapshot of every checkpoint, and cuts the log where the group decided to: one thing after the other, beside the applying. */

import type { Logger } from 'pino';
import { toError } from '../base/to-error.ts';
import { type Entry, type LogBase, type LogIndex, logIndex } from '../raft/types.ts';
import type { Replica } from '../replica/replica.ts';
import { isDiskFull } from '../storage/errors.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import type { ApplyResult, BrokerState } from './broker-state.ts';

export interface CheckpointsOptions {
  readonly replica: Replica<ApplyResult>;
  readonly snapshots: SnapshotStore;
  readonly state: BrokerState;
  readonly logger: Logger;
  readonly onFailed: (error: Error) => void;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    const { state } = options;
    // Decided, but perhaps not done before the last end.
    if (state.trimmedIndex > 0) this.onTrimmed(state.trimmedIndex);
  }

  onCheckpoint(entry: Entry, content: readonly Buffer[]): void {
    const base = this.#options.replica.baseAt(entry.index);
    this.#then(() => this.#write(base, content));
  }

  onTrimmed(index: LogIndex): void {
    this.#then(() => this.#trim(index));
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
  }

  #then(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#closed ? undefined : task()))
      .catch((error) => this.#options.onFailed(toError(error)));
  }

  async #write(base: LogBase, content: readonly Buffer[]): Promise<void> {
    const { snapshots, logger } = this.#options;
    try {
      await snapshots.write(base, content);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      // The log cannot be cut here, then; it can be at the checkpoints before, which makes room.
      logger.warn({ index: base.index }, 'no room for a snapshot');
    }
    await this.#removeForgotten();
  }

  /** The state is on the disk, and a snapshot of it: only then may the log that leads to it go. */
  async #trim(index: LogIndex): Promise<void> {
    const { replica, snapshots, state, logger } = this.#options;
    if (index < replica.firstIndex) return;
    if (!snapshots.list().some((info) => info.index === index)) return this.#getSnapshot(index);
    await state.sync();
    await replica.trim(index);
    logger.info({ firstIndex: replica.firstIndex }, 'log cut: older records are no longer held');
    await this.#removeForgotten();
  }

  /** Written when this node was away, or not for want of room, or lost since: another member has it. */
  #getSnapshot(index: LogIndex): void {
    const { replica, onFailed } = this.#options;
    const gotten = async (): Promise<boolean> => {
      // A log that lost its end to the disk may have to come as far again first.
      return (await replica.whenDurable(index)) && (await replica.snapshotAt(index));
    };
    gotten().then(
      (isHere) => isHere && this.onTrimmed(index),
      (error) => onFailed(toError(error)),
    );
  }

  async #removeForgotten(): Promise<void> {
    const { replica, snapshots, state } = this.#options;
    const kept = new Set<number>([replica.firstIndex - 1, ...state.marks.all().map(({ index }) => index)]);
    const forgotten = snapshots.list().filter(({ index }) => index < state.appliedIndex && !kept.has(index));
    if (forgotten.length > 0) await snapshots.remove(forgotten.map(({ index }) => logIndex(index)));
  }
}
