/** What Admin does with topics: changes of the catalogue by the home group's leader, and what this node knows of them. */
import { assert } from '../base/assert.ts';
import { LograftError } from '../rpc/error.ts';
import type { CommandInput } from '../rpc/generated/lograft/internal/v1/Command.ts';
import type { AddQueuesRequest } from '../rpc/generated/lograft/v1/AddQueuesRequest.ts';
import type { CreateTopicRequest } from '../rpc/generated/lograft/v1/CreateTopicRequest.ts';
import type { DeleteTopicRequest } from '../rpc/generated/lograft/v1/DeleteTopicRequest.ts';
import type { DeleteTopicResponseInput } from '../rpc/generated/lograft/v1/DeleteTopicResponse.ts';
import type { DescribeTopicRequest } from '../rpc/generated/lograft/v1/DescribeTopicRequest.ts';
import type { ListTopicsResponseInput } from '../rpc/generated/lograft/v1/ListTopicsResponse.ts';
import type { TopicDescriptionInput } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import type { Catalogue, CatalogueTopic } from './catalogue.ts';
import type { CatalogueFeed } from './catalogue-feed.ts';
import type { Group } from './group.ts';
import type { Groups } from './groups.ts';
import { MAX_QUEUES_PER_TOPIC, MAX_TOPIC_NAME } from './limits.ts';

export interface TopicFacts {
  readonly groups: Groups;
  readonly feed: CatalogueFeed;
  /** Names of all groups of the cluster. */
  readonly groupNames: readonly string[];
}

const TOPIC_NAME = new RegExp(`^[A-Za-z0-9._-]{1,${MAX_TOPIC_NAME}}$`);
/** An election of each group that holds a queue, and more. */
const PLACED_WITHIN_MS = 3_000;

export async function createTopic(request: CreateTopicRequest, facts: TopicFacts): Promise<TopicDescriptionInput> {
  const { name } = request;
  if (!TOPIC_NAME.test(name)) {
    const allowed = `1 to ${MAX_TOPIC_NAME} characters of A-Z a-z 0-9 . _ -`;
    throw invalid(`topic names have ${allowed}, not ${JSON.stringify(name.slice(0, 200))}`);
  }
  const count = checkCount(request.queues || 1);
  const chosen = checkGroups(request.groups, facts.groupNames);
  const home = await leadingHome(facts.groups);
  const queueGroups = deal(count, chosen, home.state.catalogue);
  return change({ createTopic: { name, queueGroups } }, home, facts);
}

export async function addQueues(request: AddQueuesRequest, facts: TopicFacts): Promise<TopicDescriptionInput> {
  const count = checkCount(request.queues);
  const chosen = checkGroups(request.groups, facts.groupNames);
  const home = await leadingHome(facts.groups);
  const { catalogue } = home.state;
  const topic = catalogue.byName(request.name);
  if (topic === undefined) throw unknown(request.name);
  const missing = count - topic.queueGroups.length;
  if (missing < 0) throw invalid(`topic ${topic.name} has ${topic.queueGroups.length} queues already: they cannot become fewer`);
  if (missing === 0) return describe(topic);
  return change({ addQueues: { topicId: topic.id, queueGroups: deal(missing, chosen, catalogue) } }, home, facts);
}

export async function deleteTopic(request: DeleteTopicRequest, facts: TopicFacts): Promise<DeleteTopicResponseInput> {
  const home = await leadingHome(facts.groups);
  const topic = home.state.catalogue.byName(request.name);
  if (topic === undefined) throw unknown(request.name);
  await change({ deleteTopic: { topicId: topic.id } }, home, facts);
  return {};
}

export async function listTopics({ groups }: TopicFacts): Promise<ListTopicsResponseInput> {
  const home = await leadingHome(groups);
  const topics = [...home.state.catalogue.topics.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  return { topics: topics.map(describe) };
}

export function describeTopic({ name }: DescribeTopicRequest, { groups }: TopicFacts): TopicDescriptionInput {
  const { topic, held } = groups.topicNamed(name);
  const queues = held.map(({ queue: { queue, firstOffset, nextOffset } }) => ({ queue, firstOffset, nextOffset }));
  return { ...describe(topic), queues: queues.sort((one, other) => one.queue - other.queue) };
}

async function leadingHome(groups: Groups): Promise<Group> {
  const home = groups.homeGroup();
  if (!home.leads) throw home.notLeader();
  await home.whenCaughtUp();
  return home;
}

/** Answers when the groups that hold queues of the topic have followed. */
async function change(command: CommandInput, home: Group, { feed }: TopicFacts): Promise<TopicDescriptionInput> {
  const result = await home.command(command);
  assert(result.type === 'catalogued', 'a change of the catalogue changes it');
  const { topic } = result;
  const { revision } = home.state.catalogue;
  feed.look();
  if (await feed.whenPlaced(new Set(topic.queueGroups), revision, PLACED_WITHIN_MS)) return describe(topic);
  const said = `the catalogue has the change of topic ${topic.name}`;
  throw new LograftError('NOT_PLACED', `${said}, but not all of its groups could be told yet: they will be, as soon as they can`);
}

/** The groups in turn, beginning with the one that holds the fewest queues. */
function deal(count: number, groups: readonly string[], catalogue: Catalogue): string[] {
  const held = new Map(groups.map((group) => [group, 0]));
  for (const { queueGroups } of catalogue.topics.values())
    for (const group of queueGroups) if (held.has(group)) held.set(group, (held.get(group) ?? 0) + 1);
  const order = [...groups].sort((one, other) => (held.get(one) ?? 0) - (held.get(other) ?? 0));
  return Array.from({ length: count }, (_, at) => order[at % order.length] as string);
}

function describe({ name, id, queueGroups }: CatalogueTopic): TopicDescriptionInput {
  return { name, id, queueGroups: [...queueGroups] };
}

function checkCount(queues: number): number {
  if (queues >= 1 && queues <= MAX_QUEUES_PER_TOPIC) return queues;
  throw invalid(`queues: 1 to ${MAX_QUEUES_PER_TOPIC}, not ${queues}`);
}

function checkGroups(wanted: readonly string[], known: readonly string[]): readonly string[] {
  const unknown = wanted.find((group) => !known.includes(group));
  if (unknown !== undefined)
    throw invalid(`there is no group ${JSON.stringify(unknown.slice(0, 200))}: the groups are ${known.join(', ')}`);
  return wanted.length === 0 ? known : [...new Set(wanted)];
}

function unknown(name: string): LograftError {
  return new LograftError('UNKNOWN_TOPIC', `no topic ${JSON.stringify(name.slice(0, 200))}: create it first`);
}

function invalid(message: string): LograftError {
  return new LograftError('INVALID_REQUEST', message);
}
