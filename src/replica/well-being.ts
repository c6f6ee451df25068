/** Judges how well this node would lead: by what its disk has damaged or lost, how long it takes, and whether it has room. */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import type { Fitness } from '../raft/state.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { Repairs } from './repairs.ts';

export interface WellBeingOptions {
  readonly repairs: Repairs;
  readonly disk: DiskWatch;
  readonly clock: Clock;
  readonly hasRoom: () => boolean;
  /** Whether it can give those that are far behind what its log begins with. */
  readonly hasSnapshot: () => boolean;
  readonly logger: Logger;
  readonly onChanged: (fitness: Fitness) => void;
}

export class WellBeing {
  readonly #options: WellBeingOptions;
  #fitness: Fitness = 'fit';
  #because: string | undefined;

  constructor(options: WellBeingOptions) {
    this.#options = options;
  }

  /** Why this node would be a bad leader; undefined when it would not. */
  get unfitBecause(): string | undefined {
    return this.#because;
  }

  look(): void {
    const { logger, onChanged } = this.#options;
    const [fitness, because] = this.#judge();
    if (because !== this.#because) logger.warn({ because: because ?? 'nothing any more' }, 'unfit to lead');
    this.#because = because;
    if (fitness === this.#fitness) return;
    this.#fitness = fitness;
    onChanged(fitness);
  }

  #judge(): [Fitness, string | undefined] {
    const { repairs, disk, clock, hasRoom, hasSnapshot } = this.#options;
    if (repairs.damaged > 0) return ['unfit', `${repairs.damaged} entries are damaged`];
    if (disk.isStalled(clock.nowMs())) return ['unfit', 'the disk stalls'];
    // Until it is fetched, or the log is cut the next time: if nobody has it, somebody must lead that far.
    if (!hasSnapshot()) return ['reluctant', 'the snapshot that the log begins with is lost'];
    return hasRoom() ? ['fit', undefined] : ['reluctant', 'the disk is full'];
  }
}
