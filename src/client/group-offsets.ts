/** What an operator asks and sets of a consumer group's offsets. */
import { LograftError } from '../rpc/error.ts';
import type { TopicDescription } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import type { AdminCallOptions } from './admin.ts';
import { commitTopicOffsets, fetchOffsets, type OffsetCallSettings } from './consumer-offsets.ts';
import type { LeaderCaller } from './leader-caller.ts';
import { QueueReader, type QueueReaderHost } from './queue-reader.ts';
import { type QueueStart, type ReadStart, toQueueStart } from './read-start.ts';

/** One queue as a consumer group sees it. */
export interface GroupOffset {
  readonly topic: string;
  readonly queue: number;
  /** Of the first record not read yet; undefined when the group has committed nothing for the queue. */
  readonly offset: number | undefined;
  /** Of the first record that is held. */
  readonly firstOffset: number;
  /** That the next record will get. */
  readonly nextOffset: number;
  /** Records to be read, those among them that are no longer held too. */
  readonly lag: number | undefined;
}

export interface ResetOffsetsOptions extends AdminCallOptions {
  /** An offset needs `queue`, unless the topic has one only. */
  readonly to: ReadStart;
  /** Default: all queues of the topic. */
  readonly queue?: number;
}

export interface OffsetHost extends QueueReaderHost {
  readonly caller: LeaderCaller;
  describeTopic(name: string, settings: OffsetCallSettings): Promise<TopicDescription>;
}

type DescribedQueue = TopicDescription['queues'][number];

export async function groupOffsets(
  consumerGroup: string,
  host: OffsetHost,
  settings: OffsetCallSettings,
): Promise<readonly GroupOffset[]> {
  const { caller } = host;
  const groups = await caller.groups(settings);
  const committed = await Promise.all(groups.map((group) => fetchOffsets(consumerGroup, group, '', caller, settings)));
  const byTopic = new Map<string, Map<number, number>>();
  for (const { topic, queue, offset } of committed.flat()) {
    const ofTopic = byTopic.get(topic) ?? new Map<number, number>();
    byTopic.set(topic, ofTopic.set(queue, offset));
  }
  const topics = [...byTopic.keys()].sort();
  const described = await Promise.all(topics.map((topic) => describeUnlessDeleted(topic, host, settings)));
  return described.flatMap((topic) =>
    topic === undefined
      ? []
      : topic.queues.map((queue) => groupOffset(topic.name, queue, byTopic.get(topic.name)?.get(queue.queue))),
  );
}

export async function resetOffsets(
  consumerGroup: string,
  name: string,
  { to, queue }: ResetOffsetsOptions,
  host: OffsetHost,
  settings: OffsetCallSettings,
): Promise<readonly GroupOffset[]> {
  const start = toQueueStart(to, 'to');
  const topic = await host.describeTopic(name, settings);
  const queues = topic.queues.filter((one) => queue === undefined || one.queue === queue);
  if (queues.length === 0)
    throw new LograftError('UNKNOWN_QUEUE', `topic ${name} has queues 0 to ${topic.queues.length - 1}, not ${queue}`);
  if (typeof start === 'number' && queues.length > 1)
    throw new LograftError('INVALID_REQUEST', `topic ${name} has ${queues.length} queues: an offset needs a queue to count in`);
  const offsets = new Map<number, number>();
  for (const one of queues) offsets.set(one.queue, await offsetOf(start, topic, one, host, settings));
  await commitTopicOffsets(consumerGroup, topic, offsets, true, host.caller, settings);
  return queues.map((one) => groupOffset(name, one, offsets.get(one.queue)));
}

async function offsetOf(
  start: QueueStart,
  topic: TopicDescription,
  { queue, firstOffset, nextOffset }: DescribedQueue,
  host: OffsetHost,
  settings: OffsetCallSettings,
): Promise<number> {
  if (start === 'earliest') return firstOffset;
  if (start === 'latest') return nextOffset;
  if (typeof start === 'object') return offsetOfTime(start, topic, queue, host, settings);
  const held = `queue ${queue} of topic ${topic.name} has offsets ${firstOffset} to ${nextOffset - 1}`;
  if (start > nextOffset) throw new LograftError('OFFSET_OUT_OF_RANGE', `offset ${start} is after the end: ${held}`);
  if (start < firstOffset) throw new LograftError('OFFSET_NOT_RETAINED', `offset ${start} is no longer held: ${held}`);
  return start;
}

/** Where a read from that time begins; it ends before its first record. */
async function offsetOfTime(
  start: QueueStart,
  { name: topic, queueGroups }: TopicDescription,
  queue: number,
  host: OffsetHost,
  { timeoutMs, signal }: OffsetCallSettings,
): Promise<number> {
  const late = new AbortController();
  const timer = host.environment.clock.after(timeoutMs, () =>
    late.abort(new LograftError('NO_LEADER', `${topic}/${queue}: no leader told within ${timeoutMs} ms where that time is`)),
  );
  let offset = 0;
  const read = {
    topic,
    group: queueGroups[queue] as string,
    queue,
    from: start,
    resumes: false,
    until: 0,
    untilEnd: false,
    consistency: 'linearizable' as const,
    onBegin: (begins: number) => {
      offset = begins;
    },
  };
  try {
    await new QueueReader(read, host, AbortSignal.any([late.signal, signal])).batches().next();
    return offset;
  } finally {
    timer.cancel();
  }
}

/** A topic may be deleted while it is asked about. */
async function describeUnlessDeleted(
  name: string,
  host: OffsetHost,
  settings: OffsetCallSettings,
): Promise<TopicDescription | undefined> {
  try {
    return await host.describeTopic(name, settings);
  } catch (error) {
    if (error instanceof LograftError && error.reason === 'UNKNOWN_TOPIC') return undefined;
    throw error;
  }
}

function groupOffset(topic: string, { queue, firstOffset, nextOffset }: DescribedQueue, offset: number | undefined): GroupOffset {
  // The end is asked for after the offset, but perhaps of a leader that has yet to catch up.
  const lag = offset === undefined ? undefined : Math.max(0, nextOffset - offset);
  return { topic, queue, offset, firstOffset, nextOffset, lag };
}
