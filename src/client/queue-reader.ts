/** Reads one queue, going on at the next offset over breaks and changes of leader: no record twice, none left out. */
import { crc32c } from '@node-rs/crc32';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import { ReadConsistency as WireConsistency } from '../rpc/generated/lograft/v1/ReadConsistency.ts';
import type { ReadRequestInput } from '../rpc/generated/lograft/v1/ReadRequest.ts';
import type { ReadResponse } from '../rpc/generated/lograft/v1/ReadResponse.ts';
import { LogService, RecordBatchCodec } from '../rpc/protos.ts';
import { cancelled } from './leader-caller.ts';
import { type QueueStart, startOfRequest } from './read-start.ts';
import { type RecordView, readRecords } from './record-batch.ts';
import type { RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

/** A record as a reader gives it. Its bytes are views of what came from the network: copy what you keep for long. */
export interface ReaderRecord extends RecordView {
  readonly queue: number;
  readonly offset: number;
}

export type ReadConsistency = 'committedLocal' | 'linearizable';

export interface QueueRead {
  readonly topic: string;
  readonly group: string;
  readonly queue: number;
  readonly from: QueueStart;
  /** The queue had `from`, an offset, before: a node that does not have it is behind. */
  readonly resumes: boolean;
  /** Exclusive. */
  readonly until: number | undefined;
  /** Ends at what is committed when the read begins. */
  readonly untilEnd: boolean;
  readonly consistency: ReadConsistency;
  /** Told once, when a node has said at which offset the read begins. */
  readonly onBegin?: (offset: number) => void;
}

const CONSISTENCY = { committedLocal: WireConsistency.COMMITTED_LOCAL, linearizable: WireConsistency.LINEARIZABLE } as const;
const RETRY_MS = 50;
/** A node that is behind what was already read elsewhere catches up, or another one leads: for so long it is asked again. */
const CATCH_UP_MS = 30_000;
const MAX_DEFECTS = 20;
const FINAL = new Set(['UNKNOWN_TOPIC', 'UNKNOWN_QUEUE', 'INVALID_REQUEST', 'OFFSET_NOT_RETAINED']);

/** What a queue's reader needs of its client. */
export interface QueueReaderHost {
  readonly book: RouteBook;
  readonly watcher: RouteWatcher;
  readonly environment: Environment;
}

export class QueueReader {
  readonly #read: QueueRead;
  readonly #book: RouteBook;
  readonly #watcher: RouteWatcher;
  readonly #environment: Environment;
  readonly #signal: AbortSignal;
  /** Undefined until the first answer tells which offset 'earliest', 'latest' or a time is. */
  #next: number | undefined;
  #until: number | undefined;
  #begun = false;
  /** When it was last heard of something new, and since when nodes have only said that they are behind. */
  #progressAtMs: number;
  #behindSinceMs: number | undefined;
  #defects = 0;
  #redirect: string | undefined;
  /** What this side found wrong with the records themselves: asking again would give the same ones. */
  #fatal: LograftError | undefined;

  constructor(read: QueueRead, host: QueueReaderHost, signal: AbortSignal) {
    this.#read = read;
    this.#book = host.book;
    this.#watcher = host.watcher;
    this.#environment = host.environment;
    this.#progressAtMs = host.environment.clock.nowMs();
    this.#signal = signal;
    this.#next = typeof read.from === 'number' ? read.from : undefined;
    this.#until = read.until;
  }

  /** The records, those of one batch at a time. Throws a LograftError when reading cannot go on. */
  async *batches(): AsyncGenerator<readonly ReaderRecord[], void, undefined> {
    let endSeeking: (() => void) | undefined;
    try {
      while (!this.#finished) {
        if (this.#signal.aborted) throw cancelled(this.#signal);
        const address = this.#redirect ?? this.#book.leader(this.#read.group)?.address;
        this.#redirect = undefined;
        if (address !== undefined) {
          const before = this.#progressAtMs;
          if ((yield* this.#readFrom(address)) === 'end') return;
          if (this.#progressAtMs !== before) {
            endSeeking?.();
            endSeeking = undefined;
          }
        }
        endSeeking ??= this.#watcher.seek();
        if (this.#redirect === undefined) await this.#book.nextChange(RETRY_MS, this.#signal);
      }
    } finally {
      endSeeking?.();
    }
  }

  get #finished(): boolean {
    return this.#until !== undefined && this.#next !== undefined && this.#next >= this.#until;
  }

  /** One Read call, until it ends, breaks, or another node leads. */
  async *#readFrom(address: string): AsyncGenerator<readonly ReaderRecord[], 'end' | 'again', undefined> {
    const channel = this.#environment.transport.dial(address);
    const ending = new AbortController();
    const end = (): void => ending.abort();
    this.#signal.addEventListener('abort', end, { once: true });
    const unsubscribe = this.#followLeader(address, end);
    try {
      for await (const response of channel.read(LogService.Read, this.#request(), { signal: ending.signal })) {
        yield* this.#take(response);
        if (this.#finished) return 'end';
        if (ending.signal.aborted) return 'again';
      }
      return 'again';
    } catch (error) {
      this.#judge(error, address);
      return 'again';
    } finally {
      unsubscribe();
      this.#signal.removeEventListener('abort', end);
      channel.close();
    }
  }

  /** A node that was cut off may keep a stream open and silent for ever: when the route names a newer leader, go there. */
  #followLeader(address: string, end: () => void): () => void {
    const term = this.#book.leader(this.#read.group)?.term ?? 0;
    return this.#book.subscribe(() => {
      const leader = this.#book.leader(this.#read.group);
      if (leader !== undefined && leader.term > term && leader.address !== address) end();
    });
  }

  #request(): ReadRequestInput {
    const { topic, queue, from } = this.#read;
    const place = startOfRequest(this.#next ?? from);
    const until = this.#until === undefined ? {} : { untilOffset: this.#until };
    const follow = this.#until === undefined && !this.#read.untilEnd;
    return { topic, queue, ...place, ...until, follow, consistency: CONSISTENCY[this.#read.consistency] };
  }

  *#take(response: ReadResponse): Generator<readonly ReaderRecord[], void, undefined> {
    this.#progressAtMs = this.#environment.clock.nowMs();
    this.#defects = 0;
    this.#behindSinceMs = undefined;
    if (this.#read.untilEnd && this.#until === undefined) this.#until = response.nextOffset;
    if (response.fromOffset !== undefined) this.#begin(response.fromOffset);
    for (const { baseOffset, batch } of response.batches) {
      const records = this.#decode(baseOffset, batch);
      if (records.length > 0) yield records;
    }
  }

  #begin(offset: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#next ??= offset;
    this.#read.onBegin?.(this.#next);
  }

  #decode(baseOffset: number, bytes: Buffer): readonly ReaderRecord[] {
    const batch = RecordBatchCodec.decode(bytes);
    if (crc32c(batch.records) !== batch.recordsCrc32c) throw this.#final(damaged(this.#read, baseOffset));
    const from = this.#next ?? baseOffset;
    if (baseOffset > from && this.#next !== undefined) throw this.#final(gap(this.#read, from, baseOffset));
    const until = this.#until ?? Number.POSITIVE_INFINITY;
    const records: ReaderRecord[] = [];
    let offset = baseOffset;
    for (const record of readRecords(batch.records)) {
      if (offset >= from && offset < until) {
        const { key, value, timestampMs, headers } = record;
        records.push({ queue: this.#read.queue, offset, key, value, timestampMs, headers });
      }
      offset += 1;
    }
    this.#next = Math.max(from, offset);
    return records;
  }

  #final(error: LograftError): LograftError {
    this.#fatal = error;
    return error;
  }

  /** Returns when it is worth another try, else throws. */
  #judge(caught: unknown, address: string): void {
    if (this.#signal.aborted) throw cancelled(this.#signal);
    if (!(caught instanceof LograftError)) throw caught;
    if (caught === this.#fatal || FINAL.has(caught.reason)) throw caught;
    const resumed = this.#read.resumes || (this.#next !== undefined && this.#next !== this.#read.from);
    if (caught.reason === 'OFFSET_OUT_OF_RANGE') {
      const nowMs = this.#environment.clock.nowMs();
      this.#behindSinceMs ??= nowMs;
      if (!resumed || nowMs - this.#behindSinceMs >= CATCH_UP_MS) throw caught;
    }
    if (caught.reason === 'INTERNAL') {
      this.#defects += 1;
      if (this.#defects >= MAX_DEFECTS || caught.cause === undefined) throw caught;
    }
    this.#redirect = caught.leaderAddress === address ? undefined : caught.leaderAddress;
    if (caught.reason === 'UNREACHABLE') this.#book.doubt(this.#read.group, address);
  }
}

function damaged({ topic, queue }: QueueRead, offset: number): LograftError {
  return new LograftError(
    'INTERNAL',
    `${topic}/${queue}: the batch at offset ${offset} came damaged, its checksum is wrong: read it again`,
  );
}

function gap({ topic, queue }: QueueRead, wanted: number, got: number): LograftError {
  return new LograftError('OFFSET_NOT_RETAINED', `${topic}/${queue}: offset ${wanted} is no longer held, the next is ${got}`);
}
