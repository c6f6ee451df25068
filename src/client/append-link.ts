/** A producer's way to one group: the Append stream to whoever leads it, made again over every change of leader. */
import type { Timer } from '../base/clock.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { AppendRequestInput } from '../rpc/generated/lograft/v1/AppendRequest.ts';
import type { AppendResponse } from '../rpc/generated/lograft/v1/AppendResponse.ts';
import { LogService } from '../rpc/protos.ts';
import type { MessageStream } from '../rpc/stream.ts';
import type { Channel } from '../rpc/transport.ts';
import { LeaderDialer } from './leader-dialer.ts';
import type { PendingBatch } from './pending-batch.ts';
import type { ProducerIdentity } from './producer-identity.ts';
import type { ProducerQueue, QueueCarrier } from './producer-queue.ts';
import type { RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

interface Connection {
  readonly channel: Channel;
  readonly address: string;
  /** Highest leader's term known when it was dialled. */
  readonly term: number;
  readonly unanswered: Map<number, { readonly queue: ProducerQueue; readonly batch: PendingBatch }>;
  readonly closing: AbortController;
  readonly dialTimer: Timer;
  stream: MessageStream<AppendRequestInput> | undefined;
}

/** A host that does not even refuse is given up after so long. */
const DIAL_TIMEOUT_MS = 2_000;
const SESSION_TIMEOUT_MS = 3_000;
const SESSION_RETRY_MS = 50;
/** After these another node, or another stream, must be found. */
const ENDS_STREAM = new Set(['NOT_LEADER', 'OUTCOME_UNKNOWN', 'SHUTTING_DOWN']);
const SESSION_RETRIED_HERE = new Set(['OVERLOADED', 'DISK_FULL', 'INTERNAL']);

export interface AppendLinkSettings {
  readonly book: RouteBook;
  readonly watcher: RouteWatcher;
  readonly environment: Environment;
  /** Of a named producer. */
  readonly identity: ProducerIdentity | undefined;
  /** A later instance of it has taken over. */
  readonly onFenced: (error: LograftError) => void;
}

export class AppendLink implements QueueCarrier {
  readonly group: string;
  readonly #book: RouteBook;
  readonly #environment: Environment;
  readonly #identity: ProducerIdentity | undefined;
  readonly #onFenced: (error: LograftError) => void;
  readonly #dialer: LeaderDialer;
  readonly #queues = new Set<ProducerQueue>();
  /** Queues that may have something to send, in turn. */
  readonly #active = new Set<ProducerQueue>();
  readonly #unsubscribe: () => void;
  #connection: Connection | undefined;
  #dialling = false;
  #pumping = false;
  #blocked = false;
  #closed = false;
  #seekingEpoch = false;
  #session: number | undefined;
  #openingSession = false;
  #sessionTimer: Timer | undefined;
  #nextRequestId = 1;
  #trouble: LograftError | undefined;
  reconnects = 0;

  constructor(group: string, { book, watcher, environment, identity, onFenced }: AppendLinkSettings) {
    this.group = group;
    this.#environment = environment;
    this.#book = book;
    this.#identity = identity;
    this.#onFenced = onFenced;
    this.#dialer = new LeaderDialer(group, book, watcher, environment.clock, (address, term) => this.#connect(address, term));
    this.#unsubscribe = book.subscribe(() => this.#bookChanged());
  }

  add(queue: ProducerQueue): void {
    this.#queues.add(queue);
  }

  get connected(): boolean {
    return this.#connection?.channel.connected === true && !this.#lacksEpoch;
  }

  get trouble(): string | undefined {
    if (this.#identity?.trouble !== undefined) return this.#identity.trouble;
    return this.#connection === undefined && this.#trouble === undefined
      ? `no leader of group ${this.group} is known`
      : this.#trouble?.message;
  }

  wake(queue: ProducerQueue): void {
    if (this.#closed) return;
    this.#active.add(queue);
    this.#pumpSoon();
  }

  session(): number | undefined {
    if (this.#session === undefined) this.#openSession();
    return this.#session;
  }

  retire(producerId: number): void {
    if (this.#session === producerId) this.#session = undefined;
  }

  fenced(error: LograftError): void {
    this.#onFenced(error);
  }

  /** Lets go of the connection. What is under way is not waited for. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#dialer.stop();
    this.#sessionTimer?.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) drop(connection);
  }

  #connect(address: string, term: number): void {
    this.#dialling = false;
    if (this.#closed) return;
    const connection: Connection = {
      channel: this.#environment.transport.dial(address),
      address,
      term,
      unanswered: new Map(),
      closing: new AbortController(),
      dialTimer: this.#environment.clock.after(DIAL_TIMEOUT_MS, () => {
        if (!connection.channel.connected)
          this.#lose(connection, unreachable(`${address}: no connection within ${DIAL_TIMEOUT_MS} ms`));
      }),
      stream: undefined,
    };
    this.#connection = connection;
    this.#blocked = false;
    connection.stream = connection.channel.open(LogService.Append, {
      onMessage: (response) => this.#answered(connection, response),
      onEnd: (error) => this.#lose(connection, asLograftError(error, address)),
      onDrain: () => {
        this.#blocked = false;
        this.#pumpSoon();
      },
    });
    for (const queue of this.#queues) if (!queue.idle) this.#active.add(queue);
    this.#pump();
  }

  #lose(connection: Connection, error: LograftError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#openingSession = false;
    this.#trouble = error;
    this.reconnects += 1;
    drop(connection);
    for (const queue of this.#queues) queue.disconnected();
    this.#dialer.failed(error);
    for (const queue of this.#queues) if (!queue.idle) this.#active.add(queue);
    if (this.#active.size > 0) this.#dial();
    else this.#dialer.succeeded();
  }

  #dial(): void {
    if (this.#dialling || this.#closed) return;
    this.#dialling = true;
    this.#dialer.next();
  }

  #bookChanged(): void {
    const leader = this.#book.leader(this.group);
    const connection = this.#connection;
    if (
      connection !== undefined &&
      leader !== undefined &&
      leader.term > connection.term &&
      leader.address !== connection.address
    ) {
      this.#lose(connection, unreachable(`${connection.address} leads group ${this.group} no longer: ${leader.node} does`));
    }
    this.#dialer.bookChanged();
  }

  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    // At the end of the turn: what those who were just answered send next can share a batch.
    this.#environment.clock.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** One batch of each queue in turn, until nothing is left or the stream has enough. */
  #pump(): void {
    if (this.#closed || this.#active.size === 0) return;
    const connection = this.#connection;
    if (connection === undefined) return this.#dial();
    while (!this.#blocked && this.#active.size > 0) {
      for (const queue of this.#active) {
        const next = queue.take();
        if (next === undefined) {
          this.#active.delete(queue);
          continue;
        }
        const requestId = this.#nextRequestId++;
        connection.unanswered.set(requestId, { queue, batch: next.batch });
        this.#blocked = connection.stream?.write({ requestId, batch: next.bytes }) === false;
        // Writing can find the stream broken.
        if (this.#blocked || this.#connection !== connection) return;
      }
    }
  }

  #answered(connection: Connection, { requestId, baseOffset, error }: AppendResponse): void {
    if (this.#connection !== connection) return;
    const request = connection.unanswered.get(requestId);
    if (request === undefined) return;
    if (error !== null && error !== undefined) {
      const said = LograftError.fromMessage(error);
      if (ENDS_STREAM.has(said.reason)) return this.#lose(connection, said);
      connection.unanswered.delete(requestId);
      return request.queue.refused(request.batch, said);
    }
    connection.unanswered.delete(requestId);
    this.#trouble = undefined;
    this.#dialer.succeeded();
    request.queue.acknowledged(request.batch, baseOffset);
  }

  get #lacksEpoch(): boolean {
    return this.#identity !== undefined && this.#identity.epoch === undefined;
  }

  #seekEpoch(identity: ProducerIdentity): void {
    if (this.#seekingEpoch) return;
    this.#seekingEpoch = true;
    identity.seekEpoch().then(() => {
      this.#seekingEpoch = false;
      this.#wakeAll();
    });
  }

  #wakeAll(): void {
    for (const queue of this.#queues) if (!queue.idle) this.wake(queue);
  }

  #openSession(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#openingSession) return;
    const identity = this.#identity;
    if (identity !== undefined && identity.epoch === undefined) return this.#seekEpoch(identity);
    this.#openingSession = true;
    const request = { group: this.group, name: identity?.name ?? '', epoch: identity?.epoch ?? 0 };
    const settings = { timeoutMs: SESSION_TIMEOUT_MS, signal: connection.closing.signal };
    connection.channel.call(LogService.OpenProducer, request, settings).then(
      ({ producerId }) => {
        // On a stream that has ended meanwhile it would do as well, but somebody else may have asked again.
        if (this.#connection !== connection) return;
        this.#openingSession = false;
        this.#session = producerId;
        this.#dialer.succeeded();
        this.#wakeAll();
      },
      (error) => this.#sessionRefused(connection, asLograftError(error, connection.address)),
    );
  }

  #sessionRefused(connection: Connection, error: LograftError): void {
    if (this.#connection !== connection) return;
    this.#openingSession = false;
    if (error.reason === 'FENCED') return this.fenced(error);
    if (!SESSION_RETRIED_HERE.has(error.reason)) return this.#lose(connection, error);
    this.#trouble = error;
    this.#sessionTimer?.cancel();
    this.#sessionTimer = this.#environment.clock.after(SESSION_RETRY_MS, () => this.#wakeAll());
  }
}

function drop(connection: Connection): void {
  connection.dialTimer.cancel();
  connection.closing.abort();
  connection.stream?.cancel(undefined);
  connection.channel.close();
}

function unreachable(message: string): LograftError {
  return new LograftError('UNREACHABLE', message);
}

function asLograftError(error: unknown, address: string): LograftError {
  if (error instanceof LograftError) return error;
  return new LograftError('UNREACHABLE', `${address}: the stream ended`, error === undefined ? {} : { cause: error });
}
