/** Reads the derived state back out of the store. */
import { assert } from '../base/assert.ts';
import { readNumber } from '../storage/bytes.ts';
import type { KeyedState } from '../storage/keyed-state.ts';
import { Catalogue, type CatalogueTopic } from './catalogue.ts';
import type { ConsumerImage, ConsumerOffset } from './consumer-offsets.ts';
import { type LogTime, readTimes } from './log-times.ts';
import { type Mark, readMark } from './marks.ts';
import { type ProducerWindow, readSession, readWindow, type StoredSession } from './producer-sessions.ts';
import type { QueueExtent } from './queue-state.ts';
import {
  APPLIED_BYTES_KEY,
  APPLIED_KEY,
  CATALOGUE_KEY,
  FORMAT_KEY,
  PLACED_KEY,
  queueKey,
  readConsumerKey,
  readConsumerOffsetKey,
  readQueueValue,
  STATE_FORMAT,
  TIMES_KEY,
  TRIMMED_KEY,
  tableRange,
} from './state-keys.ts';
import { EMPTY_QUEUE } from './topics.ts';

export interface StoredState {
  readonly applied: number;
  readonly appliedBytes: number;
  readonly trimmed: number;
  readonly marks: readonly Mark[];
  readonly placedRevision: number;
  readonly topics: readonly {
    readonly id: number;
    readonly name: string;
    readonly queueCount: number;
    readonly extents: ReadonlyMap<number, QueueExtent>;
  }[];
  /** Queues whose topic was deleted, and which were not removed to the end. */
  readonly orphans: readonly { readonly topicId: number; readonly queue: number }[];
  readonly catalogue: Catalogue;
  readonly times: readonly LogTime[];
  readonly sessions: readonly StoredSession[];
  readonly windows: readonly ProducerWindow[];
  readonly consumers: readonly ConsumerImage[];
}

/** Deleted at a time, so that a large store is emptied in bounded memory. */
const CLEAR_BATCH = 5_000;
const EVERYTHING = { from: Buffer.from([1]), to: Buffer.from([255]) };

/** Undefined when nothing is stored; what an interrupted restore left behind is removed. Throws when a newer version wrote it. */
export async function loadStored(keyed: KeyedState): Promise<StoredState | undefined> {
  const format = await keyed.get(FORMAT_KEY);
  if (format !== undefined && readNumber(format, 0) > STATE_FORMAT) {
    throw new Error(
      `the derived state has format ${readNumber(format, 0)}, this version reads up to ${STATE_FORMAT}: start the newer version`,
    );
  }
  const applied = await keyed.get(APPLIED_KEY);
  // Made by an older version: it follows from the log, and is made again from it.
  if (applied === undefined || format === undefined || readNumber(format, 0) < STATE_FORMAT) {
    await clearStored(keyed);
    return undefined;
  }
  const marks: Mark[] = [];
  for await (const [key, value] of keyed.range(tableRange('mark'))) marks.push(readMark(readNumber(key, 1), value));
  const times = await keyed.get(TIMES_KEY);
  const sessions: StoredSession[] = [];
  for await (const [key, value] of keyed.range(tableRange('session'))) sessions.push(readSession(key, value));
  const windows: ProducerWindow[] = [];
  for await (const [key, value] of keyed.range(tableRange('window'))) windows.push(readWindow(key, value));
  const topics = await loadTopics(keyed);
  return {
    applied: readNumber(applied, 0),
    appliedBytes: await loadNumber(keyed, APPLIED_BYTES_KEY),
    trimmed: await loadNumber(keyed, TRIMMED_KEY),
    marks,
    placedRevision: await loadNumber(keyed, PLACED_KEY),
    topics,
    orphans: await findOrphans(keyed, new Set(topics.map(({ id }) => id))),
    catalogue: await loadCatalogue(keyed),
    times: times === undefined ? [] : readTimes(times),
    sessions,
    windows,
    consumers: await loadConsumers(keyed),
  };
}

/** Removes everything. The applied index goes first: should this be interrupted, the rest is worth nothing, and known to be. */
export async function clearStored(keyed: KeyedState): Promise<void> {
  await keyed.write([], [APPLIED_KEY]);
  await keyed.sync();
  let keys: Buffer[] = [];
  for await (const [key] of keyed.range(EVERYTHING)) {
    keys.push(key);
    if (keys.length < CLEAR_BATCH) continue;
    await keyed.write([], keys);
    keys = [];
  }
  if (keys.length > 0) await keyed.write([], keys);
}

async function loadNumber(keyed: KeyedState, key: Buffer): Promise<number> {
  const value = await keyed.get(key);
  return value === undefined ? 0 : readNumber(value, 0);
}

async function loadTopics(keyed: KeyedState): Promise<StoredState['topics']> {
  const topics: StoredState['topics'][number][] = [];
  for await (const [key, value] of keyed.range(tableRange('topic'))) {
    const stored = JSON.parse(value.toString()) as { name: string; queueCount: number; queues: number[] };
    const { name, queueCount } = stored;
    const id = key.readUInt32BE(1);
    const extents = new Map<number, QueueExtent>(stored.queues.map((queue) => [queue, EMPTY_QUEUE]));
    for await (const [queue, extent] of keyed.range({ from: queueKey(id, 0), to: queueKey(id, queueCount) }))
      extents.set(queue.readUInt32BE(5), readQueueValue(extent));
    topics.push({ id, name, queueCount, extents });
  }
  return topics;
}

async function findOrphans(keyed: KeyedState, topicIds: ReadonlySet<number>): Promise<StoredState['orphans']> {
  const orphans: { topicId: number; queue: number }[] = [];
  for await (const [key] of keyed.range(tableRange('queue'))) {
    const topicId = key.readUInt32BE(1);
    if (!topicIds.has(topicId)) orphans.push({ topicId, queue: key.readUInt32BE(5) });
  }
  return orphans;
}

async function loadCatalogue(keyed: KeyedState): Promise<Catalogue> {
  const head = await keyed.get(CATALOGUE_KEY);
  if (head === undefined) return new Catalogue();
  const topics: CatalogueTopic[] = [];
  for await (const [key, value] of keyed.range(tableRange('catalogue'))) {
    const { name, queueGroups } = JSON.parse(value.toString()) as { name: string; queueGroups: string[] };
    topics.push({ id: key.readUInt32BE(1), name, queueGroups });
  }
  return new Catalogue(readNumber(head, 0), readNumber(head, 8), topics);
}

async function loadConsumers(keyed: KeyedState): Promise<readonly ConsumerImage[]> {
  const consumers = new Map<string, { name: string; idleSinceMs: number; offsets: ConsumerOffset[] }>();
  for await (const [key, value] of keyed.range(tableRange('consumer'))) {
    const name = readConsumerKey(key);
    consumers.set(name, { name, idleSinceMs: readNumber(value, 0), offsets: [] });
  }
  for await (const [key, value] of keyed.range(tableRange('consumerOffset'))) {
    const { name, topicId, queue } = readConsumerOffsetKey(key);
    const consumer = consumers.get(name);
    assert(consumer !== undefined, 'a stored offset belongs to a stored consumer group');
    consumer.offsets.push({ topicId, queue, offset: readNumber(value, 0) });
  }
  return [...consumers.values()];
}
