/** How far a replica has come, and those who wait until it has come as far as they need. */
import type { RaftCore } from '../raft/core.ts';
import type { LogIndex } from '../raft/types.ts';
import { IndexWaiters, Waiters } from './waiters.ts';

export class Milestones {
  readonly #core: RaftCore;
  readonly #appliedIndex: () => LogIndex;
  readonly #caughtUp = new Waiters();
  readonly #settled = new Waiters();
  readonly #applied = new IndexWaiters();
  readonly #durable = new IndexWaiters();
  #stopped = false;

  constructor(core: RaftCore, appliedIndex: () => LogIndex) {
    this.#core = core;
    this.#appliedIndex = appliedIndex;
  }

  /** Leading: whether all that was committed before this leadership is applied. Following: true, it promises nothing. */
  get caughtUp(): boolean {
    const { openingIndex } = this.#core;
    return openingIndex === undefined || this.#appliedIndex() >= openingIndex;
  }

  /** Resolves as soon as `caughtUp`; at once when following. */
  whenCaughtUp(): Promise<void> {
    if (this.caughtUp || this.#stopped) return Promise.resolve();
    return this.#caughtUp.wait();
  }

  /** Resolves when the members are settled, or this node no longer leads. */
  whenSettled(): Promise<void> | undefined {
    if (this.#core.isSettled || this.#core.status.role !== 'leader' || this.#stopped) return undefined;
    return this.#settled.wait();
  }

  /** Resolves to true when this node's log is durable up to `index`, to false when the replica stops before. */
  whenDurable(index: LogIndex): Promise<boolean> | true {
    if (this.#core.durableIndex >= index) return true;
    return this.#stopped ? Promise.resolve(false) : this.#durable.until(index);
  }

  /** Resolves to true when the entry is applied here, to false when the replica stops before. */
  whenApplied(index: LogIndex): Promise<boolean> | true {
    if (this.#appliedIndex() >= index) return true;
    return this.#stopped ? Promise.resolve(false) : this.#applied.until(index);
  }

  written(): void {
    this.#durable.reached(this.#core.durableIndex);
  }

  committed(): void {
    if (this.#core.isSettled) this.#settled.wake();
  }

  applied(): void {
    if (this.caughtUp) this.#caughtUp.wake();
    this.#applied.reached(this.#appliedIndex());
  }

  /** Nobody is left waiting for what only a leader comes to. */
  leadershipLost(): void {
    this.#settled.wake();
    this.#caughtUp.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.leadershipLost();
    this.#applied.giveUp();
    this.#durable.giveUp();
  }
}
