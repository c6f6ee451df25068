/** What a user's reader is: which queues, from where to where, and for which consumer group. */
import { setMaxListeners } from 'node:events';
import { abortWith } from '../base/abort-with.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import { fetchTopicOffsets, type QueueOffsets } from './consumer-offsets.ts';
import type { LeaderCaller } from './leader-caller.ts';
import { merge } from './merge.ts';
import { QueueReader, type ReadConsistency, type ReaderRecord } from './queue-reader.ts';
import { isOffset, type ReadStart, toQueueStart } from './read-start.ts';
import { ReadingProgress } from './reading-progress.ts';
import type { KnownTopic, RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

export interface ReaderOptions {
  readonly topic: string;
  /** Default: all queues of the topic, each in its own order. */
  readonly queue?: number;
  /**
   * First record: the oldest held, the next to come, an offset (with `queue`, unless the topic has one only), the first with the timestamp of a time or a later
   * one; or, with `group`, where the group has committed that it goes on.
   */
  readonly from: ReadStart | 'committed';
  /** Name of the consumer group for which the reader commits how far it has come. It shares nothing: each of its readers reads all that it is to read. */
  readonly group?: string;
  /** With `from: 'committed'`: where queues are begun for which the group has committed nothing. Default 'earliest'. */
  readonly orFrom?: ReadStart;
  /**
   * With `group`: how often the records that are done with are committed, milliseconds; and once more at the end. Done with is a record when the loop asks for the next
   * one, or has come to its end. 0: `commit()` alone commits. Default 5 000.
   */
  readonly commitEveryMs?: number;
  /** Ends before this offset, and waits for it where it does not exist yet. */
  readonly until?: number;
  /** Ends at what was committed when the read began. Default false. */
  readonly untilEnd?: boolean;
  /** Goes on as records come. Default: true without `until` and `untilEnd`. False alone means `untilEnd`. */
  readonly follow?: boolean;
  /**
   * `committedLocal`: what the node that answers has applied; the default. `linearizable`: everything that was acknowledged to anybody before the read
   * began is there, even when the node has lost the leadership without knowing it; costs a round trip between the members at the beginning.
   */
  readonly consistency?: ReadConsistency;
  /** Aborting it makes the iteration throw CANCELLED. */
  readonly signal?: AbortSignal;
}

export interface ReaderHost {
  readonly book: RouteBook;
  readonly watcher: RouteWatcher;
  readonly caller: LeaderCaller;
  readonly environment: Environment;
  resolveTopic(name: string, settings: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<KnownTopic>;
  /** Readers of consumer groups that are under way. */
  readonly progresses: Set<ReadingProgress>;
  /** Aborts when the client closes. */
  readonly signal: AbortSignal;
}

const RESOLVE_TIMEOUT_MS = 30_000;
const COMMIT_EVERY_MS = 5_000;
const MAX_COMMIT_EVERY_MS = 3_600_000;

/** What `LograftClient.reader` gives: records to iterate over, once. */
export class Reader implements AsyncIterableIterator<ReaderRecord, void, undefined> {
  readonly #records: AsyncGenerator<ReaderRecord, void, undefined>;
  readonly #progress: ReadingProgress | undefined;

  constructor(options: ReaderOptions, host: ReaderHost) {
    const { group: consumerGroup, commitEveryMs = COMMIT_EVERY_MS } = options;
    const { caller, signal } = host;
    this.#progress =
      consumerGroup === undefined ? undefined : new ReadingProgress({ consumerGroup, commitEveryMs, caller, signal });
    this.#records = readTopic(options, host, this.#progress);
  }

  /** With `group`: by queue, the offset after the last record given, or where the read begins. */
  get positions(): QueueOffsets {
    return this.#requireGroup().positions;
  }

  /**
   * With `group`: commits up to the last record that was given, that one too, or up to the offsets told, by queue. A commit never goes back. Resolves when it is durable;
   * rejects with a LograftError, and can be called again. Works after the loop as well.
   */
  async commit(positions: QueueOffsets = this.positions): Promise<void> {
    await this.#requireGroup().commit(positions);
  }

  next(): Promise<IteratorResult<ReaderRecord, void>> {
    return this.#records.next();
  }

  return(): Promise<IteratorResult<ReaderRecord, void>> {
    return this.#records.return();
  }

  [Symbol.asyncIterator](): AsyncGenerator<ReaderRecord, void, undefined> {
    return this.#records;
  }

  #requireGroup(): ReadingProgress {
    if (this.#progress === undefined) throw invalid('group: a reader without a consumer group commits nothing');
    return this.#progress;
  }
}

async function* readTopic(
  options: ReaderOptions,
  host: ReaderHost,
  progress: ReadingProgress | undefined,
): AsyncGenerator<ReaderRecord, void, undefined> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const release = abortWith(leaving, options.signal === undefined ? [host.signal] : [host.signal, options.signal]);
  // Each queue listens to it; Node's warning is meant for leaks.
  setMaxListeners(0, signal);
  const sources: AsyncGenerator<readonly ReaderRecord[], void, undefined>[] = [];
  let failed = false;
  try {
    checkOptions(options);
    const topic = await host.resolveTopic(options.topic, { timeoutMs: RESOLVE_TIMEOUT_MS, signal });
    const queues = chooseQueues(options, topic);
    const committed = await committedOffsets(options, topic, queues, host, signal);
    for (const queue of queues) sources.push(readOne(queue, committed.get(queue), options, topic, host, progress, signal));
    if (progress !== undefined) host.progresses.add(progress);
    progress?.start(topic, (error) => leaving.abort(error));
    const [only] = sources;
    const batches = sources.length === 1 && only !== undefined ? only : merge(sources);
    if (progress === undefined) for await (const records of batches) yield* records;
    else yield* given(batches, progress);
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    release();
    leaving.abort();
    // One that waits for the network ends by the signal; its complaint is of no interest any more.
    await Promise.allSettled(sources.map((source) => source.return()));
    if (progress !== undefined) await endProgress(progress, failed, host);
  }
}

/** Tells the progress of each record when the user gets it, and again when he asks for the next one. */
async function* given(
  batches: AsyncGenerator<readonly ReaderRecord[], void, undefined>,
  progress: ReadingProgress,
): AsyncGenerator<ReaderRecord, void, undefined> {
  for await (const records of batches) {
    for (const record of records) {
      progress.give(record.queue, record.offset);
      yield record;
      progress.putDown();
    }
  }
}

/** What ended the read is told before what kept its end from being committed. */
async function endProgress(progress: ReadingProgress, failed: boolean, host: ReaderHost): Promise<void> {
  host.progresses.delete(progress);
  try {
    await progress.end();
  } catch (error) {
    if (!failed) throw error;
  }
}

function readOne(
  queue: number,
  committed: number | undefined,
  options: ReaderOptions,
  topic: KnownTopic,
  host: ReaderHost,
  progress: ReadingProgress | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly ReaderRecord[], void, undefined> {
  const { until, follow, consistency = 'committedLocal', orFrom = 'earliest' } = options;
  const from = committed ?? toQueueStart(options.from === 'committed' ? orFrom : options.from, 'from');
  const read = {
    topic: topic.name,
    group: topic.queueGroups[queue] as string,
    queue,
    from,
    resumes: committed !== undefined,
    until,
    untilEnd: options.untilEnd ?? (follow === false && until === undefined),
    consistency,
    onBegin: (offset: number) => progress?.begin(queue, offset),
  };
  return new QueueReader(read, host, signal).batches();
}

async function committedOffsets(
  { from, group }: ReaderOptions,
  topic: KnownTopic,
  queues: readonly number[],
  { caller }: ReaderHost,
  signal: AbortSignal,
): Promise<QueueOffsets> {
  if (from !== 'committed' || group === undefined) return new Map();
  return fetchTopicOffsets(group, topic, queues, caller, { timeoutMs: RESOLVE_TIMEOUT_MS, signal });
}

function chooseQueues(options: ReaderOptions, topic: KnownTopic): readonly number[] {
  const { length: count } = topic.queueGroups;
  if (options.queue !== undefined) {
    if (options.queue < count) return [options.queue];
    throw new LograftError('UNKNOWN_QUEUE', `topic ${topic.name} has queues 0 to ${count - 1}, not ${options.queue}`);
  }
  if (count > 1 && (typeof options.from === 'number' || typeof options.orFrom === 'number' || options.until !== undefined))
    throw invalid(`topic ${topic.name} has ${count} queues: offsets need a queue to count in`);
  return Array.from({ length: count }, (_, queue) => queue);
}

function checkOptions(options: ReaderOptions): void {
  const { queue, from, group, orFrom, commitEveryMs, until, untilEnd, follow } = options;
  if (from !== 'committed') toQueueStart(from, 'from');
  if (orFrom !== undefined) toQueueStart(orFrom, 'orFrom');
  if (from === 'committed' && group === undefined) throw invalid("from: 'committed' needs a group that has committed");
  if (orFrom !== undefined && from !== 'committed') throw invalid("orFrom: only with from 'committed'");
  if (commitEveryMs !== undefined && (group === undefined || !(commitEveryMs >= 0 && commitEveryMs <= MAX_COMMIT_EVERY_MS)))
    throw invalid(`commitEveryMs: 0 to ${MAX_COMMIT_EVERY_MS}, and only with a group, not ${commitEveryMs}`);
  if (queue !== undefined && !isOffset(queue)) throw invalid(`queue: a whole number from 0, not ${queue}`);
  if (until !== undefined && !isOffset(until)) throw invalid(`until: an offset, not ${until}`);
  if (until !== undefined && untilEnd) throw invalid('until and untilEnd exclude each other');
  if (follow && (until !== undefined || untilEnd)) throw invalid('a read that follows has no end: leave out until and untilEnd');
}

function invalid(why: string): LograftError {
  return new LograftError('INVALID_REQUEST', why);
}
