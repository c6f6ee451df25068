/** What a user's reader is: which queues, from where to where. */
import { setMaxListeners } from 'node:events';
import { abortWith } from '../base/abort-with.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import { merge } from './merge.ts';
import { QueueReader, type ReadConsistency, type ReaderRecord } from './queue-reader.ts';
import type { KnownTopic, RouteBook } from './route-book.ts';
import type { RouteWatcher } from './route-watcher.ts';

export interface ReaderOptions {
  readonly topic: string;
  /** Default: all queues of the topic, each in its own order. */
  readonly queue?: number;
  /** First record: the oldest held, the next to come, or an offset (with `queue`, unless the topic has one only). */
  readonly from: 'earliest' | 'latest' | number;
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
  readonly environment: Environment;
  resolveTopic(name: string, settings: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<KnownTopic>;
  /** Aborts when the client closes. */
  readonly signal: AbortSignal;
}

const RESOLVE_TIMEOUT_MS = 30_000;

export async function* readTopic(options: ReaderOptions, host: ReaderHost): AsyncGenerator<ReaderRecord, void, undefined> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const release = abortWith(leaving, options.signal === undefined ? [host.signal] : [host.signal, options.signal]);
  // Each queue listens to it; Node's warning is meant for leaks.
  setMaxListeners(0, signal);
  const sources: AsyncGenerator<readonly ReaderRecord[], void, undefined>[] = [];
  try {
    checkOptions(options);
    const topic = await host.resolveTopic(options.topic, { timeoutMs: RESOLVE_TIMEOUT_MS, signal });
    const untilEnd = options.untilEnd ?? (options.follow === false && options.until === undefined);
    for (const queue of chooseQueues(options, topic)) {
      const { from, until, consistency = 'committedLocal' } = options;
      const group = topic.queueGroups[queue] as string;
      const read = { topic: topic.name, group, queue, from, until, untilEnd, consistency };
      sources.push(new QueueReader(read, host, signal).batches());
    }
    const [only] = sources;
    const batches = sources.length === 1 && only !== undefined ? only : merge(sources);
    for await (const records of batches) yield* records;
  } finally {
    release();
    leaving.abort();
    // One that waits for the network ends by the signal; its complaint is of no interest any more.
    await Promise.allSettled(sources.map((source) => source.return()));
  }
}

function chooseQueues(options: ReaderOptions, topic: KnownTopic): readonly number[] {
  const { length: count } = topic.queueGroups;
  if (options.queue !== undefined) {
    if (options.queue < count) return [options.queue];
    throw new LograftError('UNKNOWN_QUEUE', `topic ${topic.name} has queues 0 to ${count - 1}, not ${options.queue}`);
  }
  if (count > 1 && (typeof options.from === 'number' || options.until !== undefined))
    throw invalid(`topic ${topic.name} has ${count} queues: offsets need a queue to count in`);
  return Array.from({ length: count }, (_, queue) => queue);
}

function checkOptions({ queue, from, until, untilEnd, follow }: ReaderOptions): void {
  if (typeof from === 'number' ? !isOffset(from) : from !== 'earliest' && from !== 'latest')
    throw invalid(`from: an offset, 'earliest' or 'latest', not ${from}`);
  if (queue !== undefined && !isOffset(queue)) throw invalid(`queue: a whole number from 0, not ${queue}`);
  if (until !== undefined && !isOffset(until)) throw invalid(`until: an offset, not ${until}`);
  if (until !== undefined && untilEnd) throw invalid('until and untilEnd exclude each other');
  if (follow && (until !== undefined || untilEnd)) throw invalid('a read that follows has no end: leave out until and untilEnd');
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(why: string): LograftError {
  return new LograftError('INVALID_REQUEST', why);
}
