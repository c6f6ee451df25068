/** Single calls to whoever leads a group, followed over changes of leader. */
import type { Clock } from '../base/clock.ts';
import type { Environment } from '../rpc/environment.ts';
import { type ErrorReason, LograftError } from '../rpc/error.ts';
import { AdminService } from '../rpc/protos.ts';
import type { Method } from '../rpc/transport.ts';
import type { RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

export interface LeaderCallSettings {
  /** For all tries together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The call only reads: it may be made again when it is not known whether it was made. */
  readonly repeatable?: boolean;
  /** For one try. Default 5 000. */
  readonly tryTimeoutMs?: number;
  /** What is told at once, although nothing was done and a later try may succeed. Default: DISK_FULL. */
  readonly final?: readonly ErrorReason[];
}

const DIAL_TIMEOUT_MS = 1_000;
const TRY_TIMEOUT_MS = 5_000;
const FINAL: readonly ErrorReason[] = ['DISK_FULL'];
const BETWEEN_TRIES_MS = 20;

export class LeaderCaller {
  readonly #book: RouteBook;
  readonly #watcher: RouteWatcher;
  readonly #environment: Environment;

  constructor(book: RouteBook, watcher: RouteWatcher, environment: Environment) {
    this.#environment = environment;
    this.#book = book;
    this.#watcher = watcher;
  }

  get clock(): Clock {
    return this.#environment.clock;
  }

  /** Names of all groups; waits until there is one. Rejects with NO_LEADER. */
  async groups(settings: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<readonly string[]> {
    const until = this.clock.nowMs() + settings.timeoutMs;
    const endSeeking = this.#watcher.seek();
    try {
      for (;;) {
        if (settings.signal.aborted) throw cancelled(settings.signal);
        const groups = this.#book.groups().map(({ group }) => group);
        if (groups.length > 0) return groups;
        const left = until - this.clock.nowMs();
        if (left <= 0)
          throw new LograftError('NO_LEADER', `no router or broker answered within ${settings.timeoutMs} ms: nothing was done`);
        await this.#book.nextChange(left, settings.signal);
      }
    } finally {
      endSeeking();
    }
  }

  /** Rejects with what the leader says, or with NO_LEADER when it could not be asked in time: nothing was done then. */
  async call<In, Out>(group: string, method: Method<In, Out>, request: In, settings: LeaderCallSettings): Promise<Out> {
    const until = this.clock.nowMs() + settings.timeoutMs;
    let redirect: string | undefined;
    let last: LograftError | undefined;
    let endSeeking: (() => void) | undefined;
    try {
      while (this.clock.nowMs() < until) {
        if (settings.signal.aborted) throw cancelled(settings.signal);
        const address: string | undefined = redirect ?? this.#book.leader(group)?.address;
        redirect = undefined;
        if (address !== undefined) {
          const outcome = await this.#try(address, method, request, settings, until);
          if (outcome.type === 'answer') return outcome.answer;
          last = outcome.error;
          redirect = last.leaderAddress === address ? undefined : last.leaderAddress;
          if (last.reason !== 'NOT_LEADER') this.#book.doubt(group, address);
        }
        endSeeking ??= this.#watcher.seek();
        if (redirect === undefined) await this.#book.nextChange(BETWEEN_TRIES_MS, settings.signal);
      }
    } finally {
      endSeeking?.();
    }
    const why = `the leader of group ${group} could not be asked within ${settings.timeoutMs} ms: nothing was done`;
    throw new LograftError('NO_LEADER', last === undefined ? why : `${why} (${last.message})`, { cause: last });
  }

  /** `again`: nothing was done, or doing it twice is the same. Throws what is final. */
  async #try<In, Out>(
    address: string,
    method: Method<In, Out>,
    request: In,
    settings: LeaderCallSettings,
    until: number,
  ): Promise<{ type: 'answer'; answer: Out } | { type: 'again'; error: LograftError }> {
    const { signal, repeatable = false, tryTimeoutMs = TRY_TIMEOUT_MS, final = FINAL } = settings;
    const channel = this.#environment.transport.dial(address);
    const left = (): number => Math.max(1, until - this.clock.nowMs());
    let dialled = false;
    try {
      // A question that changes nothing comes first: when it fails, the call itself was certainly not made.
      if (!repeatable) await channel.call(AdminService.GetNodeStatus, {}, { timeoutMs: Math.min(DIAL_TIMEOUT_MS, left()), signal });
      dialled = true;
      const timeoutMs = Math.min(tryTimeoutMs, left());
      return { type: 'answer', answer: await channel.call(method, request, { timeoutMs, signal }) };
    } catch (caught) {
      const error = caught instanceof LograftError ? caught : new LograftError('INTERNAL', String(caught), { cause: caught });
      if (signal.aborted) throw cancelled(signal);
      const passes = error.retry === 'safe' || (repeatable && error.retry === 'sameBatch');
      if (dialled && (!passes || final.includes(error.reason))) throw error;
      return { type: 'again', error };
    } finally {
      channel.close();
    }
  }
}

/** What a call whose signal was aborted rejects with. */
export function cancelled(signal: AbortSignal): LograftError {
  if (signal.reason instanceof LograftError) return signal.reason;
  return new LograftError('CANCELLED', 'cancelled by its signal', { cause: signal.reason });
}
