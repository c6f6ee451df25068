/** The way into a Lograft cluster. */
import { setMaxListeners } from 'node:events';
import { type Environment, machine } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { Route } from '../rpc/generated/lograft/v1/Route.ts';
import { Admin } from './admin.ts';
import { LeaderCaller } from './leader-caller.ts';
import { Producer } from './producer.ts';
import type { ProducerOptions } from './producer-options.ts';
import { Reader, type ReaderOptions } from './reader.ts';
import type { ReadingProgress } from './reading-progress.ts';
import { RouteBook } from './route-book.ts';
import { RouteWatcher } from './route-watcher.ts';
import { resolveTopic } from './topic-resolver.ts';

export interface ClientOptions {
  /** "host:port" of every router. */
  readonly routers: readonly string[];
  /** "host:port" of brokers to ask where no router answers. Those that a router ever named are asked anyway. Default: none. */
  readonly brokers?: readonly string[];
}

const TIMEOUT_MS = 10_000;

/**
 * Connects by itself, and again when connections break. It holds the process until it is closed.
 *
 * ```ts
 * await using client = new LograftClient({ routers: ['127.0.0.1:8080'] });
 * const producer = client.producer();
 * const { queue, offset } = await producer.send('orders', { key: 'customer-7', value: 'hello' });
 * ```
 */
export class LograftClient implements AsyncDisposable {
  readonly admin: Admin;
  readonly #environment: Environment;
  readonly #book: RouteBook;
  readonly #watcher: RouteWatcher;
  readonly #caller: LeaderCaller;
  readonly #closing = new AbortController();
  readonly #producers = new Set<Producer>();
  readonly #progresses = new Set<ReadingProgress>();
  #closed: Promise<void> | undefined;

  /** Throws INVALID_REQUEST when neither routers nor brokers are named, or one is not "host:port". */
  constructor(options: ClientOptions, environment: Environment = machine) {
    const brokers = options.brokers ?? [];
    if (options.routers.length + brokers.length === 0)
      throw new LograftError('INVALID_REQUEST', 'routers: name one "host:port" at least');
    for (const address of [...options.routers, ...brokers]) {
      if (!/^\S+:\d{1,5}$/.test(address))
        throw new LograftError('INVALID_REQUEST', `an address is "host:port", not ${JSON.stringify(address)}`);
    }
    this.#environment = environment;
    this.#book = new RouteBook(environment.clock);
    // Every waiting call listens to it; Node's warning is meant for leaks.
    setMaxListeners(0, this.#closing.signal);
    this.#watcher = new RouteWatcher(this.#book, [...new Set(options.routers)], brokers, environment);
    this.#caller = new LeaderCaller(this.#book, this.#watcher, environment);
    this.admin = new Admin(this.#book, this.#watcher, this.#caller, this.#closing.signal, environment);
  }

  /** A client that already knows the route. Rejects with NO_LEADER when no router or broker answers in time (default 10 000 ms). */
  static async connect(
    options: ClientOptions & { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<LograftClient> {
    const client = new LograftClient(options);
    try {
      await client.route(options);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Throws INVALID_REQUEST for options out of their limits, CLOSED after `close`. */
  producer(options: ProducerOptions = {}): Producer {
    if (this.#closed !== undefined) throw closed();
    const producer: Producer = new Producer(
      {
        book: this.#book,
        watcher: this.#watcher,
        environment: this.#environment,
        caller: this.#caller,
        resolveTopic: (name, settings) => resolveTopic(name, this.#book, this.#caller, settings),
        onClosed: (done) => this.#producers.delete(done),
      },
      options,
    );
    if (!options.signal?.aborted) this.#producers.add(producer);
    return producer;
  }

  /**
   * Records in order of offset, over breaks and changes of leader none twice and none left out. Leaving the loop ends the read. Throws
   * UNKNOWN_TOPIC, UNKNOWN_QUEUE, OFFSET_OUT_OF_RANGE, OFFSET_NOT_RETAINED, INVALID_REQUEST, CANCELLED, CLOSED; waits, for as long as it takes, where the
   * leader cannot be reached. With `group` it commits how far it has come, and may throw NO_LEADER or TIMED_OUT at its beginning and its end.
   */
  reader(options: ReaderOptions): Reader {
    return new Reader(options, {
      book: this.#book,
      watcher: this.#watcher,
      caller: this.#caller,
      progresses: this.#progresses,
      environment: this.#environment,
      resolveTopic: (name, settings) => resolveTopic(name, this.#book, this.#caller, settings),
      signal: this.#closing.signal,
    });
  }

  /**
   * What the client knows now: the word of all routers merged, the highest term winning. Waits for the first word of a router or broker
   * (default 10 000 ms). Rejects with NO_LEADER, CANCELLED, CLOSED.
   */
  async route(options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}): Promise<Route> {
    const signal = options.signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, options.signal]);
    await this.#caller.groups({ timeoutMs: options.timeoutMs ?? TIMEOUT_MS, signal });
    return this.#book.route();
  }

  /** Closes producers (which flush), commits what readers of groups are done with, ends readers and calls with CLOSED, lets go of every connection. Never rejects. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.all([...this.#producers].map((producer) => producer.close()));
      await Promise.allSettled([...this.#progresses].map((progress) => progress.end()));
      this.#closing.abort(closed());
      await this.#watcher.close();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function closed(): LograftError {
  return new LograftError('CLOSED', 'the client is closed');
}
