/** What Log does with the offsets of consumer groups. */
import { assert } from '../base/assert.ts';
import { LograftError } from '../rpc/error.ts';
import type { CommitOffsetsRequest } from '../rpc/generated/lograft/v1/CommitOffsetsRequest.ts';
import type { CommitOffsetsResponseInput } from '../rpc/generated/lograft/v1/CommitOffsetsResponse.ts';
import type { FetchOffsetsRequest } from '../rpc/generated/lograft/v1/FetchOffsetsRequest.ts';
import type { FetchOffsetsResponseInput } from '../rpc/generated/lograft/v1/FetchOffsetsResponse.ts';
import type { ConsumerOffset } from './consumer-offsets.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';
import { MAX_CONSUMER_GROUP_NAME, MAX_OFFSETS_PER_COMMIT } from './limits.ts';

const CONSUMER_GROUP_NAME = new RegExp(`^[A-Za-z0-9._-]{1,${MAX_CONSUMER_GROUP_NAME}}$`);

/** One log entry for each group that holds some of the queues. */
export async function commitOffsets(request: CommitOffsetsRequest, groups: Groups): Promise<CommitOffsetsResponseInput> {
  const { consumerGroup, offsets, reset } = request;
  checkName(consumerGroup);
  if (offsets.length < 1 || offsets.length > MAX_OFFSETS_PER_COMMIT)
    throw invalid(`offsets: 1 to ${MAX_OFFSETS_PER_COMMIT} can be committed in a call, not ${offsets.length}`);
  const commits = [...byGroup(offsets, groups)].map(([group, ofGroup]) =>
    group.command({ commitOffsets: { consumerGroup, offsets: ofGroup, reset } }),
  );
  await Promise.all(commits);
  return {};
}

/** What was acknowledged to anybody before the call is seen. */
export async function fetchOffsets(request: FetchOffsetsRequest, groups: Groups): Promise<FetchOffsetsResponseInput> {
  const { consumerGroup, topic: wanted } = request;
  checkName(consumerGroup);
  const group = groups.namedOrOnly(request.group);
  await group.whenLinearizable();
  const { topics, consumers } = group.state;
  const offsets = consumers.of(consumerGroup).map(({ topicId, queue, offset }) => {
    const topic = topics.byId(topicId);
    assert(topic !== undefined, 'offsets end with their topic');
    return { topic: topic.name, topicId, queue, offset };
  });
  return { offsets: wanted === '' ? offsets : offsets.filter(({ topic }) => topic === wanted) };
}

/** Throws what Groups throws for a queue, and NOT_LEADER. */
function byGroup(offsets: CommitOffsetsRequest['offsets'], groups: Groups): ReadonlyMap<Group, ConsumerOffset[]> {
  const found = new Map<Group, ConsumerOffset[]>();
  for (const { topic: name, topicId, queue, offset } of offsets) {
    const { group, topic } = groups.queueNamed(name, queue);
    if (!group.leads) throw group.notLeader();
    if (topicId !== 0 && topicId !== topic.id)
      throw new LograftError('UNKNOWN_TOPIC', `topic ${name} has the id ${topic.id}: the one with the id ${topicId} was deleted`);
    const ofGroup = found.get(group) ?? [];
    ofGroup.push({ topicId: topic.id, queue, offset });
    found.set(group, ofGroup);
  }
  return found;
}

function checkName(name: string): void {
  if (CONSUMER_GROUP_NAME.test(name)) return;
  const allowed = `1 to ${MAX_CONSUMER_GROUP_NAME} characters of A-Z a-z 0-9 . _ -`;
  throw invalid(`names of consumer groups have ${allowed}, not ${JSON.stringify(name.slice(0, 200))}`);
}

function invalid(message: string): LograftError {
  return new LograftError('INVALID_REQUEST', message);
}
