/**
 * Which address to dial next for a group, and when: at once when something new is known, else soon again. Never waits for a timer when the
 * route names another leader first.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { LograftError } from '../rpc/error.ts';
import type { RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

const LONGEST_WAIT_MS = 50;

export class LeaderDialer {
  readonly #group: string;
  readonly #book: RouteBook;
  readonly #watcher: RouteWatcher;
  readonly #clock: Clock;
  readonly #dial: (address: string, term: number) => void;
  /** Named by a node that does not lead: worth one try, whatever the route says. */
  #redirect: string | undefined;
  #failures = 0;
  #lastAddress: string | undefined;
  #lastTerm = -1;
  #waiting = false;
  #timer: Timer | undefined;
  #endSeeking: (() => void) | undefined;

  constructor(group: string, book: RouteBook, watcher: RouteWatcher, clock: Clock, dial: (address: string, term: number) => void) {
    this.#clock = clock;
    this.#group = group;
    this.#book = book;
    this.#watcher = watcher;
    this.#dial = dial;
  }

  /** Calls `dial` once, as soon as there is an address worth it. */
  next(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    // What is known is new to us, or nothing has failed twice in a row: no reason to wait.
    if (this.#failures < 2 || this.#isNews()) return this.#go();
    this.#wait();
  }

  /** The address did not do. */
  failed(error: LograftError): void {
    this.#failures += 1;
    this.#redirect = error.leaderAddress === this.#lastAddress ? undefined : error.leaderAddress;
    if (error.reason !== 'NOT_LEADER' && this.#lastAddress !== undefined) this.#book.doubt(this.#group, this.#lastAddress);
    this.#endSeeking ??= this.#watcher.seek();
  }

  /** The address leads. */
  succeeded(): void {
    this.#failures = 0;
    this.#endSeeking?.();
    this.#endSeeking = undefined;
  }

  /** The route book changed. */
  bookChanged(): void {
    if (this.#waiting && this.#isNews()) this.#go();
  }

  stop(): void {
    this.#waiting = false;
    this.#timer?.cancel();
    this.succeeded();
  }

  #isNews(): boolean {
    if (this.#redirect !== undefined && this.#failures < 4) return true;
    const leader = this.#book.leader(this.#group);
    return (
      leader !== undefined &&
      (leader.address !== this.#lastAddress || leader.term > this.#lastTerm) &&
      leader.term >= this.#lastTerm
    );
  }

  #go(): void {
    const leader = this.#book.leader(this.#group);
    const address = this.#redirect ?? leader?.address;
    if (address === undefined) {
      this.#endSeeking ??= this.#watcher.seek();
      return this.#wait();
    }
    this.#timer?.cancel();
    this.#waiting = false;
    this.#redirect = undefined;
    this.#lastAddress = address;
    this.#lastTerm = leader?.term ?? 0;
    this.#dial(address, this.#lastTerm);
  }

  #wait(): void {
    this.#timer?.cancel();
    const waitMs = Math.min(LONGEST_WAIT_MS, 10 * Math.max(1, this.#failures - 1));
    this.#timer = this.#clock.after(waitMs, () => this.#go());
  }
}
