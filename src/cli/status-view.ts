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
  /** False while a change of members is under way. */
  readonly settled: boolean;
  readonly members: readonly MemberView[];
}

export interface MemberView {
  readonly node: string;
  readonly address: string;
  /** False: a learner, which gets the log and has no vote. Here and below, not known while nobody answers. */
  readonly voter?: boolean;
  /** It votes until the change that is under way is through, and is no member then. */
  readonly leaving?: boolean;
  /** The leader's word: it keeps up with the log. Not known without a leader. */
  readonly caughtUp?: boolean;
  /** Whether it answered this command. The figures below are there only then. */
  readonly reachable: boolean;
  readonly role?: string;
  readonly term?: number;
  /** Whom it takes for the leader. */
  readonly leader?: string;
  /** What is before is in a snapshot. */
  readonly firstIndex?: number;
  readonly lastIndex?: number;
  readonly durableIndex?: number;
  readonly commitIndex?: number;
  readonly appliedIndex?: number;
  /** Entries it lacks of the leader's log. Not known without a leader. */
  readonly lag?: number;
  /** False: its disk is full. */
  readonly writable?: boolean;
  /** Entries that its disk has damaged and that were not fetched from other members yet. */
  readonly damagedEntries?: number;
  /** Damaged ones that were fetched, since its process started. */
  readonly repairedEntries?: number;
  /** Why it would lead badly. Empty: it would not. */
  readonly unfitBecause?: string;
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
  const term = Math.max(0, ...reports.map((report) => report.term));
  const leading = leaderOf(name, nodes);
  const addresses = addressesOf(name, leading?.report, reports, route);
  const newest = leading?.report ?? newestOf(reports);
  const leader = leading?.node ?? '';
  return {
    group: name,
    term,
    leader,
    leaderAddress: addresses.get(leader) ?? '',
    settled: newest?.settled ?? true,
    members: [...addresses]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([node, address]) => ({
        node,
        address,
        ...standingOf(node, newest, leading !== undefined),
        ...figuresOf(name, answers.get(node), leading?.report.lastIndex),
      })),
  };
}

/** Who says that it leads, and its report. One that leads in a lower term was deposed and has not heard of it yet. */
export function leaderOf(name: string, nodes: ClusterStatus['nodes']): { node: string; report: GroupStatus } | undefined {
  const reports = nodes.flatMap(({ node, status }) => status?.groups.map((report) => ({ node, report })) ?? []);
  const ofGroup = reports.filter(({ report }) => report.group === name);
  const term = Math.max(0, ...ofGroup.map(({ report }) => report.term));
  return ofGroup.find(({ report }) => report.role === Role.LEADER && report.term === term);
}

/** The leader knows who belongs to the group. Without one, everybody that anybody takes for a member is shown. */
function addressesOf(
  name: string,
  leading: GroupStatus | undefined,
  reports: readonly GroupStatus[],
  route: ClusterStatus['route'],
): Map<string, string> {
  const routed = route.groups.find(({ group }) => group === name)?.members ?? [];
  const known = leading?.members.length ? leading.members : [...routed, ...reports.flatMap(({ members }) => members)];
  return new Map(known.map(({ node, address }) => [node, address]));
}

/** Of whoever has heard most: it knows of the latest change of members. */
function newestOf(reports: readonly GroupStatus[]): GroupStatus | undefined {
  return [...reports].sort((a, b) => b.term - a.term || b.commitIndex - a.commitIndex)[0];
}

function standingOf(node: string, report: GroupStatus | undefined, leads: boolean): Partial<MemberView> {
  const member = report?.members.find((candidate) => candidate.node === node);
  if (member === undefined) return {};
  const { voter, leaving, caughtUp } = member;
  return { voter, leaving, ...(leads ? { caughtUp } : {}) };
}

/** What a node says of itself. */
function figuresOf(
  group: string,
  answer: NodeAnswer | undefined,
  leaderLastIndex: number | undefined,
): Pick<MemberView, 'reachable'> & Partial<MemberView> {
  const report = answer?.status?.groups.find((candidate) => candidate.group === group);
  if (report === undefined || !answer?.reachable) return { reachable: false, error: shorten(answer?.error) };
  const { group: _, role, members: __, settled: ___, ...figures } = report;
  // Nodes answer one after the other: a follower that was asked later may be ahead of what the leader said.
  const lag = leaderLastIndex === undefined ? {} : { lag: Math.max(0, leaderLastIndex - report.lastIndex) };
  return { reachable: true, role: ROLE_NAMES[role] ?? 'unknown', ...figures, version: answer.status?.version ?? '', ...lag };
}

function shorten(error: Error | undefined): string {
  if (error === undefined) return 'not asked: the router knows no address of it';
  return describeFailure(error).replace(/\s*Resolution note:.*$/, '');
}
