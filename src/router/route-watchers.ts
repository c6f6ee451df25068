/** Those who want each change of the route pushed to them. */
import type { Clock } from '../base/clock.ts';
import { LograftError } from '../rpc/error.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import type { RouteTable } from './route-table.ts';

const MAX_WATCHERS = 10_000;

export class RouteWatchers {
  readonly #table: RouteTable;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #watchers = 0;
  #announcing = false;
  #closed = false;

  constructor(table: RouteTable, clock: Clock) {
    this.#clock = clock;
    this.#table = table;
  }

  /** The table changed. What changes in one turn of the event loop goes out as one message. */
  changed(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    this.#clock.soon(() => {
      this.#announcing = false;
      this.#wakeAll();
    });
  }

  /** The route at once, then after each change; a slow watcher skips to the newest. Throws OVERLOADED beyond 10 000 watchers. */
  async *watch(signal: AbortSignal): AsyncGenerator<Route, void, undefined> {
    if (this.#watchers >= MAX_WATCHERS)
      throw new LograftError('OVERLOADED', `this router has ${MAX_WATCHERS} watchers already: use another one`);
    this.#watchers += 1;
    try {
      let sent = -1;
      let toldCatalogue: Route['catalogue'] = null;
      while (!signal.aborted && !this.#closed) {
        const route = this.#table.route();
        if (route.revision !== sent) {
          sent = route.revision;
          // It may be large, and seldom changes.
          const isKnown = route.catalogue === toldCatalogue;
          toldCatalogue = route.catalogue;
          yield isKnown ? { ...route, catalogue: null } : route;
        } else await this.#nextChange(signal);
      }
    } finally {
      this.#watchers -= 1;
    }
    if (this.#closed) throw new LograftError('SHUTTING_DOWN', 'this router is shutting down: watch another one');
  }

  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
