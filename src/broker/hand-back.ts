/**
 * Gives the leadership back to the preferred leader: only when it has been reachable, fit and up to date for a while, so that a node that comes and goes
 * does not take the leadership with it.
 */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { Repeat } from '../base/repeat.ts';
import type { NodeId } from '../raft/types.ts';
import type { Group } from './group.ts';

const LOOK_EVERY_MS = 1_000;
/** Looks in a row that must find it well. */
const WELL_FOR_LOOKS = 5;

export class HandBack {
  readonly #group: Group;
  readonly #preferred: NodeId;
  readonly #log: Logger;
  readonly #looks: Repeat;
  #wellLooks = 0;

  constructor(group: Group, preferred: NodeId, clock: Clock, log: Logger) {
    this.#group = group;
    this.#preferred = preferred;
    this.#log = log;
    this.#looks = new Repeat(clock, LOOK_EVERY_MS, () => this.#look());
  }

  close(): void {
    this.#looks.close();
  }

  #look(): void {
    this.#wellLooks = this.#isWell() ? this.#wellLooks + 1 : 0;
    if (this.#wellLooks < WELL_FOR_LOOKS) return;
    this.#wellLooks = 0;
    this.#log.info({ to: this.#preferred }, 'giving the leadership back to the preferred leader');
    this.#group.replica.transferLeader(this.#preferred);
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
