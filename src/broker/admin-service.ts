/** proto/lograft/v1/admin.proto, served. */
import type { Role } from '../raft/effects.ts';
import { isNodeId, type NodeId } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { AddQueuesRequest } from '../rpc/generated/lograft/v1/AddQueuesRequest.ts';
import type { ChangeMembersRequest } from '../rpc/generated/lograft/v1/ChangeMembersRequest.ts';
import type { ChangeMembersResponseInput } from '../rpc/generated/lograft/v1/ChangeMembersResponse.ts';
import type { CreateTopicRequest } from '../rpc/generated/lograft/v1/CreateTopicRequest.ts';
import type { DeleteTopicRequest } from '../rpc/generated/lograft/v1/DeleteTopicRequest.ts';
import type { DeleteTopicResponseInput } from '../rpc/generated/lograft/v1/DeleteTopicResponse.ts';
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
import { changeMembers, type MemberFacts } from './member-changes.ts';
import { addQueues, createTopic, deleteTopic, describeTopic, listTopics, type TopicFacts } from './topic-service.ts';

const ROLES: Record<Role, WireRole> = {
  follower: WireRole.FOLLOWER,
  preCandidate: WireRole.PRE_CANDIDATE,
  candidate: WireRole.CANDIDATE,
  leader: WireRole.LEADER,
};

export interface NodeFacts extends MemberFacts, TopicFacts {
  readonly address: string;
  readonly version: string;
  uptimeMs(): number;
  isReachable(peer: NodeId): boolean;
  /** Of what this node knows of the catalogue. */
  catalogueRevision(): number;
}

export function serveAdmin(facts: NodeFacts): HostedService {
  const { groups } = facts;
  return hostService(AdminService, {
    CreateTopic: unary<CreateTopicRequest, TopicDescriptionInput>((request) => createTopic(request, facts)),
    AddQueues: unary<AddQueuesRequest, TopicDescriptionInput>((request) => addQueues(request, facts)),
    DeleteTopic: unary<DeleteTopicRequest, DeleteTopicResponseInput>((request) => deleteTopic(request, facts)),
    ListTopics: unary<ListTopicsRequest, ListTopicsResponseInput>(() => listTopics(facts)),
    DescribeTopic: unary<DescribeTopicRequest, TopicDescriptionInput>((request) => describeTopic(request, facts)),
    GetNodeStatus: unary<GetNodeStatusRequest, NodeStatusInput>(() => ({
      node: groups.self,
      address: facts.address,
      version: facts.version,
      uptimeMs: Math.round(facts.uptimeMs()),
      groups: groups.all().map((group) => groupStatus(group, facts)),
      joining: [...groups.joining()],
      homeGroup: groups.home,
      catalogueRevision: facts.catalogueRevision(),
    })),
    ChangeMembers: unary<ChangeMembersRequest, ChangeMembersResponseInput>(async (request) => {
      const group = groups.named(request.group);
      await changeMembers(request, group, facts);
      return { members: memberStatuses(group, facts) };
    }),
    TransferLeader: unary<TransferLeaderRequest, TransferLeaderResponseInput>((request) =>
      transferLeader(request, groups.named(request.group)),
    ),
  });
}

function transferLeader({ to }: TransferLeaderRequest, group: Group): TransferLeaderResponseInput {
  if (to !== '' && !(isNodeId(to) && group.addressOf(to) !== undefined)) {
    const members = group.members.map(({ id }) => id).join(', ');
    throw new LograftError('INVALID_REQUEST', `${JSON.stringify(to)} is not a member of ${group.name}: its members are ${members}`);
  }
  if (!group.leads) throw group.notLeader();
  group.replica.transferLeader(to === '' ? undefined : (to as NodeId));
  return {};
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
