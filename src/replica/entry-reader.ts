/** Reads entries for those outside: what this disk has damaged comes from other members meanwhile, and errors are theirs to understand. */
import type { Entry, LogIndex } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import { isDamagedEntry, isTrimmed } from './log-errors.ts';

/** How often a reader waits for damaged entries before it is told to look elsewhere. */
const REPAIR_ROUNDS = 4;

export class EntryReader {
  readonly #log: RaftLog;
  readonly #whenRepaired: () => Promise<void>;
  #stopped = false;

  /** `whenRepaired` resolves when it is worth trying again. */
  constructor(log: RaftLog, whenRepaired: () => Promise<void>) {
    this.#log = log;
    this.#whenRepaired = whenRepaired;
  }

  /** Rejects with the LograftError DAMAGED_HERE when a repair takes too long, OFFSET_NOT_RETAINED when the entries were dropped. */
  async read(first: LogIndex, last: LogIndex, maxBytes: number): Promise<readonly Entry[]> {
    for (let tries = 0; ; tries += 1) {
      // A log that lost its end to the disk has yet to get it back.
      if (last > this.#log.lastIndex)
        throw new LograftError('DAMAGED_HERE', `entry ${last} is being fetched: try again, or another member`);
      try {
        return await this.#log.read(first, last, maxBytes);
      } catch (error) {
        if (isTrimmed(error)) throw new LograftError('OFFSET_NOT_RETAINED', `entry ${first} was dropped while it was read`);
        if (!isDamagedEntry(error)) throw error;
        const problem = `entry ${first} or one soon after it is damaged on this disk`;
        if (tries >= REPAIR_ROUNDS || this.#stopped)
          throw new LograftError('DAMAGED_HERE', `${problem}: try again, or another member`);
        await this.#whenRepaired();
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}
