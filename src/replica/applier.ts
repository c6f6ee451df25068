/** Feeds the state machine with what is committed: in order, each entry once, in rounds that fit into memory. */

import { assert } from '../base/assert.ts';
import { toError } from '../base/to-error.ts';
import { type Entry, type LogIndex, logIndex } from '../raft/types.ts';
import { lostSnapshot } from '../storage/errors.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import { isDamagedEntry, isTrimmed } from './log-errors.ts';
import type { StateMachine } from './state-machine.ts';

/** Payload that one round reads from the log. */
const ROUND_BYTES = 4 * 1024 * 1024;

export interface ApplierOptions<Result> {
  readonly log: RaftLog;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine<Result>;
  readonly commitIndex: () => LogIndex;
  readonly whenDurable: (index: LogIndex) => Promise<boolean> | true;
  readonly onApplied: (entry: Entry, result: Result) => void;
  /** A round ended: whoever waits for the applied index may look. */
  readonly onRound: () => void;
  /** The next entry is damaged on this disk: resolves when it is worth trying again. */
  readonly whenRepaired: () => Promise<void>;
  readonly onFailed: (error: Error) => void;
}

export class Applier<Result> {
  readonly #options: ApplierOptions<Result>;
  #applying = false;
  #stopped = false;

  constructor(options: ApplierOptions<Result>) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** More is committed. */
  begin(): void {
    if (this.#applying) return;
    this.#applying = true;
    this.#rounds()
      .catch((error) => this.#options.onFailed(toError(error)))
      .finally(() => {
        this.#applying = false;
        if (this.#hasWork) this.begin();
      });
  }

  get #hasWork(): boolean {
    return !this.#stopped && this.#options.commitIndex() > this.#options.stateMachine.appliedIndex;
  }

  async #rounds(): Promise<void> {
    const { stateMachine, log, onRound } = this.#options;
    while (this.#hasWork) {
      // A snapshot may take the log's place during any wait: so look again after each.
      if (log.base.index > stateMachine.appliedIndex) {
        await this.#restore();
        continue;
      }
      const room = stateMachine.waitForRoom();
      if (room !== undefined) {
        await room;
        continue;
      }
      const entries = this.#read();
      // Awaiting only what is not there yet keeps the way from commit to answer free of needless turns.
      for (const entry of entries instanceof Promise ? await entries : entries) {
        if (this.#stopped) return;
        assert(entry.index === stateMachine.appliedIndex + 1, 'entries are applied in order, without gaps');
        this.#options.onApplied(entry, stateMachine.apply(entry));
      }
      onRound();
    }
  }

  #read(): readonly Entry[] | Promise<readonly Entry[]> {
    const { log, stateMachine, commitIndex, whenRepaired } = this.#options;
    const entries = log.read(logIndex(stateMachine.appliedIndex + 1), commitIndex(), ROUND_BYTES);
    if (!(entries instanceof Promise)) return entries;
    return entries.catch(async (error) => {
      if (isDamagedEntry(error)) await whenRepaired();
      else if (!isTrimmed(error)) throw error;
      return [];
    });
  }

  /** The log begins after what the state knows: a snapshot was installed, or the state was lost. */
  async #restore(): Promise<void> {
    const { log, snapshots, stateMachine, whenDurable, onRound } = this.#options;
    const { index } = log.base;
    // A state ahead of its log would be, after a crash, one that follows from nothing.
    if (!(await whenDurable(index)) || this.#stopped) return;
    if (!snapshots.list().some((info) => info.index === index)) throw lostSnapshot(index);
    await stateMachine.restore(snapshots.content(index));
    onRound();
  }
}
