/** The offsets that consumer groups have committed, at the leaders of the groups that hold the queues. */
import type { CommittedOffset } from '../rpc/generated/lograft/v1/CommittedOffset.ts';
import { LogService } from '../rpc/protos.ts';
import type { LeaderCaller } from './leader-caller.ts';
import type { KnownTopic } from './route-book.ts';

/** By queue: the offset of the first record not read yet. */
export type QueueOffsets = ReadonlyMap<number, number>;

export interface OffsetCallSettings {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Of all topics, as one group of the cluster keeps them. */
export async function fetchOffsets(
  consumerGroup: string,
  group: string,
  topic: string,
  caller: LeaderCaller,
  settings: OffsetCallSettings,
): Promise<readonly CommittedOffset[]> {
  const request = { consumerGroup, group, topic };
  return (await caller.call(group, LogService.FetchOffsets, request, { ...settings, repeatable: true })).offsets;
}

/** Of some queues of one topic; those without are left out. */
export async function fetchTopicOffsets(
  consumerGroup: string,
  topic: KnownTopic,
  queues: readonly number[],
  caller: LeaderCaller,
  settings: OffsetCallSettings,
): Promise<QueueOffsets> {
  const groups = [...new Set(queues.map((queue) => topic.queueGroups[queue] as string))];
  const found = await Promise.all(groups.map((group) => fetchOffsets(consumerGroup, group, topic.name, caller, settings)));
  return new Map(found.flat().map(({ queue, offset }) => [queue, offset]));
}

/** One call for each group that holds some of the queues. When it rejects, some may be committed. */
export async function commitTopicOffsets(
  consumerGroup: string,
  topic: KnownTopic,
  offsets: QueueOffsets,
  reset: boolean,
  caller: LeaderCaller,
  settings: OffsetCallSettings,
): Promise<void> {
  const byGroup = new Map<string, { topic: string; topicId: number; queue: number; offset: number }[]>();
  for (const [queue, offset] of offsets) {
    const group = topic.queueGroups[queue] as string;
    const ofGroup = byGroup.get(group) ?? [];
    ofGroup.push({ topic: topic.name, topicId: topic.id, queue, offset });
    byGroup.set(group, ofGroup);
  }
  const repeatable = { ...settings, repeatable: true };
  const commits = [...byGroup].map(([group, ofGroup]) =>
    caller.call(group, LogService.CommitOffsets, { consumerGroup, offsets: ofGroup, reset }, repeatable),
  );
  await Promise.all(commits);
}
