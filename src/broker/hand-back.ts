/**
 * Gives the leadership back to the preferred leader: only when it has been reachable, fit and up to date for a while, so that a node that comes and goes
 * does not take the leadership with it.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../base/clock.ts';
import type { NodeId } from '../raft/types.ts';
import type { Group } from './group.ts';

const LOOK_EVERY_MS = 1_000;
/** Looks in a row that must find it well. */
const WELL_FOR_LOOKS = 5;

export class HandBack {
  readonly #group: Group;
  readonly #preferred: NodeId;
  readonly #clock: Clock;
  readonly #log: Logger;
  #timer: Timer | undefined;
  #wellLooks = 0;
  #closed = false;

  constructor(group: Group, preferred: NodeId, clock: Clock, log: Logger) {
    this.#group = group;
    this.#preferred = preferred;
    this.#clock = clock;
    this.#log = log;
    this.#rest();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #rest(): void {
    if (!this.#closed) this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  #look(): void {
    this.#wellLooks = this.#isWell() ? this.#wellLooks + 1 : 0;
    if (this.#wellLooks >= WELL_FOR_LOOKS) {
      this.#wellLooks = 0;
      this.#log.info({ to: this.#preferred }, 'giving the leadership back to the preferred leader');
      this.#group.replica.transferLeader(this.#preferred);
    }
    this.#rest();
  }

  #isWell(): boolean {
    const { leads, replica, self } = this.#group;
    if (!leads || self === this.#preferred || !replica.settled || !replica.configuration.voters.includes(this.#preferred))
      return false;
    const follower = replica.progress().find(({ id }) => id === this.#preferred);
    if (follower === undefined) return false;
    return follower.active && follower.fit && follower.state === 'replicate';
  }
}
