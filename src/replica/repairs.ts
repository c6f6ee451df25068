/** Gets back, from the other members, what this node's disk has damaged. Until all is back, the node does not lead. */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import { type Resolvers, withResolvers } from '../base/with-resolvers.ts';
import type { Entry, LogIndex, LogPosition, NodeId } from '../raft/types.ts';
import type { RaftLog } from '../storage/raft-log.ts';
import type { PeerNetwork } from './peer-network.ts';

export interface RepairsOptions {
  readonly log: RaftLog;
  readonly network: PeerNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: () => readonly NodeId[];
  /** What is damaged has changed. */
  readonly onChanged: () => void;
}

/** When no member has it at the moment. */
const ASK_AGAIN_MS = 500;

export class Repairs {
  readonly #options: RepairsOptions;
  #working = false;
  #stopped = false;
  #repaired = 0;
  #round: Resolvers<void> | undefined;

  constructor(options: RepairsOptions) {
    this.#options = options;
    this.begin();
  }

  /** Entries that are still damaged. */
  get damaged(): number {
    return this.#options.log.damaged().length;
  }

  get repaired(): number {
    return this.#repaired;
  }

  /** Damage was found. */
  begin(): void {
    if (this.#working || this.#stopped || this.damaged === 0) return;
    const { logger, log } = this.#options;
    logger.error(
      { entries: this.damaged, first: log.damaged()[0] },
      'entries are damaged on the disk: fetching them from other members',
    );
    this.#working = true;
    this.#options.onChanged();
    this.#work()
      // A disk that fails is the log's to report; whatever else it is, what is damaged stays known.
      .catch((error) => logger.error({ error: String(error) }, 'repairing failed'))
      .finally(() => {
        this.#working = false;
        this.#wake();
        this.#options.onChanged();
      });
  }

  /** Resolves when something was repaired, or could not be for now. */
  nextRound(): Promise<void> {
    if (!this.#working) return Promise.resolve();
    this.#round ??= withResolvers<void>();
    return this.#round.promise;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #work(): Promise<void> {
    const { log, clock, logger } = this.#options;
    for (let all = log.damaged(); all.length > 0 && !this.#stopped; all = log.damaged()) {
      let progress = false;
      for (const position of all) {
        if (this.#stopped) return;
        if (!(await this.#repair(position))) continue;
        progress = true;
        this.#repaired += 1;
        logger.warn({ index: position.index, term: position.term }, 'damaged entry repaired');
        this.#wake();
      }
      if (progress) continue;
      this.#wake();
      await sleep(clock, ASK_AGAIN_MS);
    }
  }

  async #repair(position: LogPosition): Promise<boolean> {
    const { log, peers } = this.#options;
    for (const peer of peers()) {
      const entry = await this.#fetch(peer, position);
      if (entry === undefined || this.#stopped) continue;
      if (!this.#isDamaged(position.index)) return false;
      try {
        await log.repair(entry);
        return true;
      } catch (error) {
        // Not what was written here: this peer's copy is not to be trusted either, another's may be.
        this.#options.logger.warn({ peer, index: position.index, error: String(error) }, 'a fetched entry does not fit');
      }
    }
    return false;
  }

  async #fetch(peer: NodeId, position: LogPosition): Promise<Entry | undefined> {
    try {
      return await this.#options.network.fetchEntry(peer, position);
    } catch (error) {
      this.#options.logger.debug({ peer, error: String(error) }, 'a damaged entry could not be fetched');
      return undefined;
    }
  }

  #isDamaged(index: LogIndex): boolean {
    return this.#options.log.damaged().some((position) => position.index === index);
  }

  #wake(): void {
    this.#round?.resolve();
    this.#round = undefined;
  }
}
