/** Watches how long the disk takes: one that stalls makes a bad leader, however sound it is. */
import type { WriteSequence } from '../raft/types.ts';

export class DiskWatch {
  readonly #patienceMs: number;
  /** Writes on their way, in order, and when each was handed to the log. */
  #underWay: { readonly sequence: WriteSequence; readonly sinceMs: number }[] = [];

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  writing(sequence: WriteSequence, nowMs: number): void {
    this.#underWay.push({ sequence, sinceMs: nowMs });
  }

  written(sequence: WriteSequence): void {
    const done = this.#underWay.findIndex((write) => write.sequence > sequence);
    this.#underWay.splice(0, done === -1 ? this.#underWay.length : done);
  }

  /** The oldest write has been under way for longer than a leader may be silent. */
  isStalled(nowMs: number): boolean {
    const oldest = this.#underWay[0];
    return oldest !== undefined && nowMs - oldest.sinceMs > this.#patienceMs;
  }
}
