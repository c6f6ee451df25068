/** Sends records, in order per queue, each exactly once as long as it is acknowledged. */
import type { Clock, Timer } from '../base/clock.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import { AppendLink } from './append-link.ts';
import { cancelled, type LeaderCaller } from './leader-caller.ts';
import { type Ledger, PendingBatch, type SentRecord } from './pending-batch.ts';
import { type LastRecord, ProducerIdentity } from './producer-identity.ts';
import { MAX_BATCH_BYTES, type ProducerLimits, type ProducerOptions, producerLimits } from './producer-options.ts';
import type { ProducerQueue } from './producer-queue.ts';
import { ProducerTopic } from './producer-topic.ts';
import { type Bytes, type EncodableRecord, framedBytes, MAX_HEAD_BYTES, type RecordHeader, recordBytes } from './record-batch.ts';
import type { KnownTopic, RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

/** What `send` takes. Leave the bytes unchanged until its promise settles. */
export interface ProducerRecord {
  /** Decides the queue (see `queueOfKey`) when `queue` is not set. */
  readonly key?: Bytes | undefined;
  readonly value: Bytes;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Default: by key; without a key the queues take turns, batch by batch. */
  readonly queue?: number | undefined;
  /** Milliseconds since 1970 UTC. Default: now. */
  readonly timestampMs?: number | undefined;
}

export interface ProducerStats {
  /** Accepted by `send`, without outcome yet. */
  readonly inFlightRecords: number;
  /** The same, encoded bytes. */
  readonly inFlightBytes: number;
  readonly acknowledgedRecords: number;
  readonly acknowledgedBytes: number;
  /** Batches sent again. */
  readonly retries: number;
  /** Streams to a leader that broke. */
  readonly reconnects: number;
}

/** What a producer needs of its client. */
export interface ProducerHost {
  readonly book: RouteBook;
  readonly watcher: RouteWatcher;
  readonly environment: Environment;
  readonly caller: LeaderCaller;
  resolveTopic(name: string, settings: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<KnownTopic>;
  onClosed(producer: Producer): void;
}

interface WaitingRecord {
  readonly record: EncodableRecord;
  readonly queue: number | undefined;
  readonly size: number;
  readonly resolve: (sent: SentRecord) => void;
  readonly reject: (error: unknown) => void;
}

type Topic =
  | { readonly type: 'known'; readonly topic: ProducerTopic }
  | { readonly type: 'resolving'; readonly waiting: WaitingRecord[]; readonly done: Promise<void> };

/** What a record costs beside its bytes: its promise and its place in lists. */
const RECORD_OVERHEAD_BYTES = 64;

/** Made by `LograftClient.producer`. */
export class Producer implements AsyncDisposable {
  readonly #host: ProducerHost;
  readonly #limits: ProducerLimits;
  readonly #identity: ProducerIdentity | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #stopping = new AbortController();
  readonly #topics = new Map<string, Topic>();
  /** Topics and queues live on in here while the topic's name is resolved anew. */
  readonly #queues = new Set<ProducerTopic>();
  readonly #links = new Map<string, AppendLink>();
  readonly #pending = new Set<PendingBatch>();
  readonly #lingering: { readonly queue: ProducerQueue; readonly batch: PendingBatch }[] = [];
  readonly #ledger: Ledger = { settled: (records, bytes, acknowledged) => this.#settled(records, bytes, acknowledged) };
  readonly #onAbort = (): void => this.#stop(cancelled(this.#signal ?? this.#stopping.signal));
  #lingerTimer: Timer | undefined;
  #expiryTimer: Timer | undefined;
  #records = 0;
  #bytes = 0;
  #acknowledgedRecords = 0;
  #acknowledgedBytes = 0;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #refusal: LograftError | undefined;
  #closing: Promise<void> | undefined;

  constructor(host: ProducerHost, options: ProducerOptions) {
    this.#host = host;
    this.#limits = producerLimits(options);
    const { name } = this.#limits;
    this.#identity = name === undefined ? undefined : new ProducerIdentity(name, host.caller, host.book, this.#stopping.signal);
    this.#signal = options.signal;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted) this.#onAbort();
  }

  get #clock(): Clock {
    return this.#host.environment.clock;
  }

  get stats(): ProducerStats {
    let retries = 0;
    let reconnects = 0;
    for (const topic of this.#queues) for (const queue of topic.queues()) retries += queue.retries;
    for (const link of this.#links.values()) reconnects += link.reconnects;
    return {
      inFlightRecords: this.#records,
      inFlightBytes: this.#bytes,
      acknowledgedRecords: this.#acknowledgedRecords,
      acknowledgedBytes: this.#acknowledgedBytes,
      retries,
      reconnects,
    };
  }

  /**
   * Resolves once the record is durable on a quorum. Records of one queue are stored in the order they were sent. Breaks and changes of
   * leader are handled inside, without loss or repetition.
   *
   * Rejects with a LograftError. `retry` says what a second `send` of the same record would mean: 'safe', it is not stored; 'sameBatch'
   * (TIMED_OUT, OUTCOME_UNKNOWN, CANCELLED), it may be stored already; 'never', it would fail again. Reasons: TIMED_OUT, NO_LEADER,
   * OVERLOADED, DISK_FULL, UNKNOWN_TOPIC, UNKNOWN_QUEUE, BATCH_TOO_LARGE, INVALID_REQUEST, OUTCOME_UNKNOWN, FENCED, CANCELLED, CLOSED.
   */
  send(topic: string, record: ProducerRecord): Promise<SentRecord> {
    return new Promise((resolve, reject) => this.#accept(topic, record, resolve, reject));
  }

  /**
   * For named producers, before the first `send`: fences earlier instances on all queues that the topic has now, and gives the last record that they
   * stored in each, which stays the last. With it a process that begins again knows what its predecessor achieved. Rejects with FENCED,
   * UNKNOWN_TOPIC, NO_LEADER, DISK_FULL, INVALID_REQUEST (no name), CANCELLED, CLOSED; safe to call again.
   */
  async takeOver(topic: string): Promise<readonly LastRecord[]> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const identity = this.#identity;
    if (identity === undefined) throw new LograftError('INVALID_REQUEST', 'only a producer with a name can take over');
    const settings = { timeoutMs: this.#limits.deliveryTimeoutMs, signal: this.#stopping.signal };
    try {
      return await identity.takeOver(await this.#host.resolveTopic(topic, settings), settings);
    } catch (error) {
      if (error instanceof LograftError && error.reason === 'FENCED') this.#stop(error);
      throw error;
    }
  }

  /** Set when `bufferBytes` are waiting: await it before sending on. Never rejects. */
  ready(): Promise<void> | undefined {
    if (this.#load() < this.#limits.bufferBytes || this.#refusal !== undefined) return undefined;
    if (this.#room === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((onResolve) => {
        resolve = onResolve;
      });
      this.#room = { promise, resolve };
    }
    return this.#room.promise;
  }

  /** Sends what waits without lingering; resolves when every record accepted before has its outcome, good or bad. Never rejects. */
  async flush(): Promise<void> {
    for (const topic of [...this.#topics.values()]) if (topic.type === 'resolving') await topic.done;
    for (const topic of this.#queues) {
      for (const queue of topic.queues()) {
        if (queue.open === undefined) continue;
        queue.open.due = true;
        queue.wake();
      }
    }
    const batches = [...this.#pending];
    await Promise.all(batches.map((batch) => new Promise<void>((resolve) => batch.whenSettled(resolve))));
  }

  /** Takes no more records, flushes, lets go of its connections. Ends within `deliveryTimeoutMs`. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#refusal ??= closed();
      await this.flush();
      this.#stop(closed());
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(name: string, given: ProducerRecord, resolve: (sent: SentRecord) => void, reject: (error: unknown) => void): void {
    if (this.#refusal !== undefined) return reject(this.#refusal);
    const { key, value, headers, queue, timestampMs = this.#clock.wallMs() } = given;
    if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
      return reject(new LograftError('INVALID_REQUEST', `timestampMs: milliseconds since 1970, not ${timestampMs}`));
    }
    if (!isEncodable(given)) {
      const why = 'key, value and header values are a Uint8Array or text, header names are text: the record was not sent';
      return reject(new LograftError('INVALID_REQUEST', why));
    }
    const record: EncodableRecord = { key, value, headers, timestampMs };
    const size = recordBytes(record);
    const bytes = framedBytes(size);
    if (!(bytes + MAX_HEAD_BYTES <= MAX_BATCH_BYTES)) return reject(tooLarge(bytes));
    if (this.#load() >= 2 * this.#limits.bufferBytes) return reject(overloaded(this.#limits.bufferBytes));
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = this.#resolve(name);
      this.#topics.set(name, topic);
    }
    this.#records += 1;
    this.#bytes += bytes;
    this.#watchExpiry();
    if (topic.type === 'known')
      this.#add(topic.topic.follow(this.#host.book.topic(name)), { record, queue, size, resolve, reject });
    else topic.waiting.push({ record, queue, size, resolve, reject });
  }

  #add(topic: ProducerTopic, { record, queue: wanted, size, resolve, reject }: WaitingRecord): void {
    let queue: ProducerQueue;
    try {
      queue = topic.choose(wanted, record.key);
    } catch (error) {
      this.#settled(1, framedBytes(size), false);
      return reject(error);
    }
    const open = queue.open;
    if (open !== undefined && open.bytes + framedBytes(size) > this.#batchBytes) queue.sealOpen();
    const batch = queue.open ?? this.#begin(queue);
    batch.add(record, size, resolve, reject);
    if (batch.bytes >= this.#batchBytes) {
      queue.sealOpen();
      queue.wake();
    }
  }

  get #batchBytes(): number {
    return Math.min(this.#limits.batchBytes, MAX_BATCH_BYTES - MAX_HEAD_BYTES);
  }

  #begin(queue: ProducerQueue): PendingBatch {
    const batch = new PendingBatch(this.#ledger, this.#clock.nowMs());
    this.#pending.add(batch);
    batch.whenSettled(() => this.#pending.delete(batch));
    queue.begin(batch);
    if (this.#limits.lingerMs === 0 || this.#refusal !== undefined) batch.due = true;
    else {
      while (this.#lingering[0] !== undefined && this.#lingering[0].queue.open !== this.#lingering[0].batch)
        this.#lingering.shift();
      this.#lingering.push({ queue, batch });
      this.#lingerTimer ??= this.#clock.after(this.#limits.lingerMs, () => this.#lingered());
    }
    queue.wake();
    return batch;
  }

  #lingered(): void {
    this.#lingerTimer = undefined;
    // Half a millisecond early is on time: timers are no more exact than that.
    const begunBefore = this.#clock.nowMs() - this.#limits.lingerMs + 0.5;
    for (
      let first = this.#lingering[0];
      first !== undefined && first.batch.createdAtMs <= begunBefore;
      first = this.#lingering[0]
    ) {
      this.#lingering.shift();
      if (first.queue.open !== first.batch) continue;
      first.batch.due = true;
      first.queue.wake();
    }
    const next = this.#lingering[0];
    if (next === undefined) return;
    const waitMs = Math.max(1, next.batch.createdAtMs - begunBefore);
    this.#lingerTimer = this.#clock.after(waitMs, () => this.#lingered());
  }

  #resolve(name: string): Topic {
    const waiting: WaitingRecord[] = [];
    const known = this.#host.book.topic(name);
    if (known !== undefined) return { type: 'known', topic: this.#topic(known) };
    const settings = { timeoutMs: this.#limits.deliveryTimeoutMs, signal: this.#stopping.signal };
    const done = this.#host.resolveTopic(name, settings).then(
      (topic) => {
        if (this.#stopping.signal.aborted) return;
        const made = this.#topic(topic);
        // In this one turn, so that no later record overtakes those that waited.
        this.#topics.set(name, { type: 'known', topic: made });
        for (const record of waiting) this.#add(made, record);
      },
      (error) => {
        this.#topics.delete(name);
        for (const { size, reject } of waiting.splice(0)) {
          this.#settled(1, framedBytes(size), false);
          reject(error);
        }
      },
    );
    return { type: 'resolving', waiting, done };
  }

  #topic(known: KnownTopic): ProducerTopic {
    const topic: ProducerTopic = new ProducerTopic(known, {
      linkTo: (group) => this.#linkTo(group),
      environment: this.#host.environment,
      maxInFlight: this.#limits.maxInFlightBatches,
      onUnknown: () => {
        // Under this name there may be another topic now: the next record finds out.
        this.#topics.delete(known.name);
        this.#host.book.forgetTopic(known.name);
      },
    });
    this.#queues.add(topic);
    return topic;
  }

  #linkTo(group: string): AppendLink {
    const { book, watcher, environment } = this.#host;
    const settings = { book, watcher, environment, identity: this.#identity, onFenced: (error: LograftError) => this.#stop(error) };
    const link = this.#links.get(group) ?? new AppendLink(group, settings);
    this.#links.set(group, link);
    return link;
  }

  #settled(records: number, bytes: number, acknowledged: boolean): void {
    this.#records -= records;
    this.#bytes -= bytes;
    if (acknowledged) {
      this.#acknowledgedRecords += records;
      this.#acknowledgedBytes += bytes;
    }
    if (this.#room === undefined || this.#load() >= this.#limits.bufferBytes) return;
    this.#room.resolve();
    this.#room = undefined;
  }

  #load(): number {
    return this.#bytes + this.#records * RECORD_OVERHEAD_BYTES;
  }

  #watchExpiry(): void {
    if (this.#expiryTimer !== undefined || this.#stopping.signal.aborted) return;
    const { deliveryTimeoutMs } = this.#limits;
    this.#expiryTimer = this.#clock.after(Math.min(250, Math.max(5, deliveryTimeoutMs / 20)), () => {
      this.#expiryTimer = undefined;
      if (this.#records === 0) return;
      const beforeMs = this.#clock.nowMs() - deliveryTimeoutMs;
      for (const topic of this.#queues) for (const queue of topic.queues()) queue.expire(beforeMs, deliveryTimeoutMs);
      this.#watchExpiry();
    });
  }

  /** Ends everything now; what has no outcome yet rejects with `error`. */
  #stop(error: LograftError): void {
    if (this.#stopping.signal.aborted) return;
    this.#refusal ??= error;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#stopping.abort(error);
    this.#lingerTimer?.cancel();
    this.#expiryTimer?.cancel();
    for (const link of this.#links.values()) link.close();
    for (const topic of this.#queues) for (const queue of topic.queues()) queue.fail(error);
    this.#room?.resolve();
    this.#room = undefined;
    this.#host.onClosed(this);
  }
}

/** For callers without a type checker. */
function isEncodable({ key, value, headers }: ProducerRecord): boolean {
  if (!isBytes(value) || (key !== undefined && !isBytes(key))) return false;
  return headers === undefined || headers.every((header) => typeof header.name === 'string' && isBytes(header.value));
}

function isBytes(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function closed(): LograftError {
  return new LograftError('CLOSED', 'the producer is closed: the record was not sent');
}

function tooLarge(bytes: number): LograftError {
  const why = `the record has ${bytes} bytes, a batch may have ${MAX_BATCH_BYTES} with ${MAX_HEAD_BYTES} for its head: it was not sent`;
  return new LograftError('BATCH_TOO_LARGE', why);
}

function overloaded(bufferBytes: number): LograftError {
  const why = `more than twice bufferBytes (${bufferBytes}) wait for acknowledgement: the record was not sent; await ready() before sending`;
  return new LograftError('OVERLOADED', why);
}
