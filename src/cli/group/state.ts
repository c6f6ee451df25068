/** Who belongs to a group, in the words of its leader. */
import type { LograftClient } from '../../client/index.ts';
import type { MemberStatus } from '../../rpc/generated/lograft/v1/MemberStatus.ts';
import { leaderOf } from '../status-view.ts';

export interface GroupState {
  readonly group: string;
  readonly leader: string;
  /** False while a change of members is under way. */
  readonly settled: boolean;
  readonly members: readonly MemberStatus[];
}

/** Undefined while nobody leads. Rejects with a LograftError. */
export async function readGroup(
  client: LograftClient,
  group: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<GroupState | undefined> {
  const { nodes } = await client.admin.status(options);
  const leading = leaderOf(group, nodes);
  if (leading === undefined) return undefined;
  const { settled, members } = leading.report;
  return { group, leader: leading.node, settled, members };
}

export function memberOf(state: GroupState, node: string): MemberStatus | undefined {
  return state.members.find((member) => member.node === node);
}

/** Names, sorted, of those who vote when the change that is under way, if any, is through. */
export function votersOf({ members }: GroupState): string[] {
  return members
    .filter(({ voter, leaving }) => voter && !leaving)
    .map(({ node }) => node)
    .sort();
}

/** What a node is at present, as the second half of a sentence. */
export function standing(state: GroupState, node: string): string {
  const member = memberOf(state, node);
  if (member === undefined) return `${node} is no member of ${state.group}`;
  if (member.leaving) return `${node} is leaving ${state.group}`;
  return member.voter ? `${node} votes in ${state.group}` : `${node} is a learner of ${state.group} and goes on getting the log`;
}
