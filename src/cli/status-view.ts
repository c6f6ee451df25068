/** What the nodes of a cluster say of themselves, brought together by group. */

import type { GroupStatus } from '../rpc/generated/lograft/v1/GroupStatus.ts';
import type { NodeStatus } from '../rpc/generated/lograft/v1/NodeStatus.ts';
import { Role } from '../rpc/generated/lograft/v1/Role.ts';
import type { RouteGroup } from '../rpc/generated/lograft/v1/RouteGroup.ts';
import { describeFailure } from './cli-error.ts';

/** What `client.admin.status()` and `client.route()` give. */
export interface ClusterStatus {
  readonly nodes: readonly {
    readonly node: string;
    readonly address: string;
    readonly reachable: boolean;
    readonly status?: NodeStatus | undefined;
    readonly error?: Error | undefined;
  }[];
  readonly route: { readonly groups: readonly RouteGroup[] };
}

export interface StatusView {
  readonly groups: readonly GroupView[];
}

export interface GroupView {
  readonly group: string;
  /** Of the highest term that any member knows. */
  readonly term: number;
  /** Empty when none is known. */
  readonly leader: string;
  readonly leaderAddress: string;
  readonly members: readonly MemberView[];
}

export interface MemberView {
  readonly node: string;
  readonly address: string;
  /** Whether it answered this command. The figures below are there only then. */
  readonly reachable: boolean;
  readonly role?: string;
  readonly term?: number;
  /** Whom it takes for the leader. */
  readonly leader?: string;
  readonly lastIndex?: number;
  readonly durableIndex?: number;
  readonly commitIndex?: number;
  readonly appliedIndex?: number;
  /** Entries it lacks of the leader's log. Not known without a leader. */
  readonly lag?: number;
  /** False: its disk is full. */
  readonly writable?: boolean;
  readonly version?: string;
  readonly error?: string;
}

const ROLE_NAMES: Readonly<Record<number, string>> = {
  [Role.FOLLOWER]: 'follower',
  [Role.PRE_CANDIDATE]: 'pre-candidate',
  [Role.CANDIDATE]: 'candidate',
  [Role.LEADER]: 'leader',
};

type NodeAnswer = ClusterStatus['nodes'][number];

export function toStatusView({ nodes, route }: ClusterStatus): StatusView {
  const names = new Set([
    ...route.groups.map(({ group }) => group),
    ...nodes.flatMap(({ status }) => status?.groups.map(({ group }) => group) ?? []),
  ]);
  return { groups: [...names].sort().map((name) => toGroupView(name, nodes, route)) };
}

function toGroupView(name: string, nodes: readonly NodeAnswer[], route: ClusterStatus['route']): GroupView {
  const answers = new Map(nodes.map((answer) => [answer.node, answer]));
  const reports = nodes.flatMap(({ status }) => status?.groups.filter(({ group }) => group === name) ?? []);
  const routed = route.groups.find(({ group }) => group === name);
  const addresses = new Map<string, string>();
  for (const { node, address } of [...(routed?.members ?? []), ...reports.flatMap(({ members }) => members)])
    addresses.set(node, address);
  const term = Math.max(0, ...reports.map((report) => report.term));
  // One that leads in a lower term was deposed and has not heard of it yet.
  const leads = (report: GroupStatus): boolean => report.group === name && report.role === Role.LEADER && report.term === term;
  const leader = nodes.find(({ status }) => status?.groups.some(leads))?.node ?? '';
  return {
    group: name,
    term,
    leader,
    leaderAddress: addresses.get(leader) ?? '',
    members: [...addresses]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([node, address]) => toMemberView(name, { node, address }, answers.get(node), reports.find(leads)?.lastIndex)),
  };
}

function toMemberView(
  group: string,
  member: { node: string; address: string },
  answer: NodeAnswer | undefined,
  leaderLastIndex: number | undefined,
): MemberView {
  const report = answer?.status?.groups.find((candidate) => candidate.group === group);
  if (report === undefined || !answer?.reachable) {
    return { ...member, reachable: false, error: shorten(answer?.error) };
  }
  const { term, leader, lastIndex, durableIndex, commitIndex, appliedIndex, writable } = report;
  const role = ROLE_NAMES[report.role] ?? 'unknown';
  const figures = {
    role,
    term,
    leader,
    lastIndex,
    durableIndex,
    commitIndex,
    appliedIndex,
    writable,
    version: answer.status?.version ?? '',
  };
  // Nodes answer one after the other: a follower that was asked later may be ahead of what the leader said.
  const lag = leaderLastIndex === undefined ? {} : { lag: Math.max(0, leaderLastIndex - lastIndex) };
  return { ...member, reachable: true, ...figures, ...lag };
}

function shorten(error: Error | undefined): string {
  if (error === undefined) return 'not asked: the router knows no address of it';
  return describeFailure(error).replace(/\s*Resolution note:.*$/, '');
}
