/** proto/lograft/v1/admin.proto, served. */
import { assert } from '../base/assert.ts';
import type { Role } from '../raft/effects.ts';
import { isNodeId, type NodeId } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { ChangeMembersRequest } from '../rpc/generated/lograft/v1/ChangeMembersRequest.ts';
import type { ChangeMembersResponseInput } from '../rpc/generated/lograft/v1/ChangeMembersResponse.ts';
import type { CreateTopicRequest } from '../rpc/generated/lograft/v1/CreateTopicRequest.ts';
import type { DescribeTopicRequest } from '../rpc/generated/lograft/v1/DescribeTopicRequest.ts';
import type { GetNodeStatusRequest } from '../rpc/generated/lograft/v1/GetNodeStatusRequest.ts';
import type { GroupStatusInput } from '../rpc/generated/lograft/v1/GroupStatus.ts';
import type { ListTopicsRequest } from '../rpc/generated/lograft/v1/ListTopicsRequest.ts';
import type { ListTopicsResponseInput } from '../rpc/generated/lograft/v1/ListTopicsResponse.ts';
import type { MemberStatusInput } from '../rpc/generated/lograft/v1/MemberStatus.ts';
import type { NodeStatusInput } from '../rpc/generated/lograft/v1/NodeStatus.ts';
import { Role as WireRole } from '../rpc/generated/lograft/v1/Role.ts';
import type { TopicDescriptionInput } from '../rpc/generated/lograft/v1/TopicDescription.ts';
import type { TransferLeaderRequest } from '../rpc/generated/lograft/v1/TransferLeaderRequest.ts';
import type { TransferLeaderResponseInput } from '../rpc/generated/lograft/v1/TransferLeaderResponse.ts';
import { unary } from '../rpc/handlers.ts';
import { AdminService } from '../rpc/protos.ts';
import { type HostedService, hostService } from '../rpc/transport.ts';
import type { Group } from './group.ts';
import { MAX_QUEUES_PER_TOPIC, MAX_TOPIC_NAME } from './limits.ts';
import { changeMembers, type MemberFacts } from './member-changes.ts';
import type { Topic } from './topics.ts';

const TOPIC_NAME = new RegExp(`^[A-Za-z0-9._-]{1,${MAX_TOPIC_NAME}}$`);
const ROLES: Record<Role, WireRole> = {
  follower: WireRole.FOLLOWER,
  preCandidate: WireRole.PRE_CANDIDATE,
  candidate: WireRole.CANDIDATE,
  leader: WireRole.LEADER,
};

export interface NodeFacts extends MemberFacts {
  readonly address: string;
  readonly version: string;
  uptimeMs(): number;
  isReachable(peer: NodeId): boolean;
}

export function serveAdmin(group: Group, facts: NodeFacts): HostedService {
  return hostService(AdminService, {
    CreateTopic: unary<CreateTopicRequest, TopicDescriptionInput>((request) => createTopic(request, group)),
    ListTopics: unary<ListTopicsRequest, ListTopicsResponseInput>(async () => {
      await group.whenCaughtUp();
      return { topics: group.state.topics.all().map((topic) => describe(topic, group)) };
    }),
    DescribeTopic: unary<DescribeTopicRequest, TopicDescriptionInput>(async ({ name }) => {
      await group.whenCaughtUp();
      const topic = group.state.topics.byName(name);
      if (topic === undefined) throw new LograftError('UNKNOWN_TOPIC', `no topic ${JSON.stringify(name)}: create it first`);
      return describe(topic, group);
    }),
    GetNodeStatus: unary<GetNodeStatusRequest, NodeStatusInput>(() => ({
      node: group.self,
      address: facts.address,
      version: facts.version,
      uptimeMs: Math.round(facts.uptimeMs()),
      groups: [groupStatus(group, facts)],
    })),
    ChangeMembers: unary<ChangeMembersRequest, ChangeMembersResponseInput>(async (request) => {
      await changeMembers(request, group, facts);
      return { members: memberStatuses(group, facts) };
    }),
    TransferLeader: unary<TransferLeaderRequest, TransferLeaderResponseInput>((request) => transferLeader(request, group)),
  });
}

async function createTopic(request: CreateTopicRequest, group: Group): Promise<TopicDescriptionInput> {
  const { name } = request;
  const queues = request.queues || 1;
  if (!TOPIC_NAME.test(name)) {
    throw new LograftError(
      'INVALID_REQUEST',
      `topic names have 1 to ${MAX_TOPIC_NAME} characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(name.slice(0, 200))}`,
    );
  }
  if (queues > MAX_QUEUES_PER_TOPIC)
    throw new LograftError('INVALID_REQUEST', `queues: 1 to ${MAX_QUEUES_PER_TOPIC}, not ${queues}`);
  if (!group.leads) throw group.notLeader();
  const result = await group.command({ createTopic: { name, queues } });
  assert(result.type === 'topicCreated', 'creating a topic creates one');
  return describe(result.topic, group);
}

function transferLeader({ group: name, to }: TransferLeaderRequest, group: Group): TransferLeaderResponseInput {
  if (name !== group.name)
    throw new LograftError('INVALID_REQUEST', `node ${group.self} holds group ${group.name}, not ${JSON.stringify(name)}`);
  if (to !== '' && !(isNodeId(to) && group.addressOf(to) !== undefined)) {
    const members = group.members.map(({ id }) => id).join(', ');
    throw new LograftError('INVALID_REQUEST', `${JSON.stringify(to)} is not a member of ${group.name}: its members are ${members}`);
  }
  if (!group.leads) throw group.notLeader();
  group.replica.transferLeader(to === '' ? undefined : (to as NodeId));
  return {};
}

function describe(topic: Topic, group: Group): TopicDescriptionInput {
  const queues = topic.queues.map(({ queue, firstOffset, nextOffset }) => ({ queue, firstOffset, nextOffset }));
  return { name: topic.name, id: topic.id, group: group.name, queues };
}

function groupStatus(group: Group, facts: NodeFacts): GroupStatusInput {
  const { replica } = group;
  const { role, term, leader } = replica.status;
  return {
    group: group.name,
    role: ROLES[role],
    term,
    leader: leader ?? '',
    lastIndex: replica.lastIndex,
    durableIndex: replica.durableIndex,
    commitIndex: replica.commitIndex,
    appliedIndex: replica.appliedIndex,
    writable: replica.writable,
    firstIndex: replica.firstIndex,
    damagedEntries: replica.damagedEntries,
    repairedEntries: replica.repairedEntries,
    settled: replica.settled,
    unfitBecause: replica.unfitBecause ?? '',
    members: memberStatuses(group, facts),
  };
}

function memberStatuses(group: Group, facts: NodeFacts): MemberStatusInput[] {
  const { replica } = group;
  const { members, voters, outgoing } = replica.configuration;
  const progress = new Map(replica.progress().map((follower) => [follower.id, follower]));
  return members.map(({ id, address, disk }) => {
    const self = id === group.self;
    const follower = progress.get(id);
    const matchIndex = group.leads ? (self ? replica.durableIndex : (follower?.matchIndex ?? 0)) : 0;
    return {
      node: id,
      address,
      reachable: self || facts.isReachable(id),
      matchIndex,
      lag: group.leads ? Math.max(0, replica.lastIndex - matchIndex) : 0,
      voter: voters.includes(id) || outgoing.includes(id),
      leaving: outgoing.includes(id) && !voters.includes(id),
      disk,
      caughtUp: group.leads && (self || follower?.state === 'replicate'),
    };
  });
}
