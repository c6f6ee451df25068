/** What an operator wants of a group's members, turned into one change of its configuration. */
import { assert, unreachable } from '../base/assert.ts';
import { type Configuration, type Member, memberOf, sameNodes } from '../raft/configuration.ts';
import type { MembershipResult } from '../raft/effects.ts';
import { isNodeId, type NodeId } from '../raft/types.ts';
import { LograftError } from '../rpc/error.ts';
import type { ChangeMembersRequest } from '../rpc/generated/lograft/v1/ChangeMembersRequest.ts';
import type { NewMember } from '../rpc/generated/lograft/v1/NewMember.ts';
import type { Group } from './group.ts';

/** Who answers at an address: its name, and the disk it has. */
export interface Introduction {
  readonly node: string;
  readonly disk: string;
}

export interface MemberFacts {
  /** Rejects with a LograftError when nobody of this group answers there. */
  introduce(group: string, address: string): Promise<Introduction>;
}

/** Resolves when the change is committed, and at once when there is nothing to change. */
export async function changeMembers(request: ChangeMembersRequest, group: Group, facts: MemberFacts): Promise<void> {
  const { addLearners, promote, remove } = request;
  if (addLearners.length + promote.length + remove.length === 0)
    throw invalid('nothing to change: add, promote or remove somebody');
  if (!group.leads) throw group.notLeader();
  const added = await Promise.all(addLearners.map((member) => meet(member, group.name, facts)));
  const { replica } = group;
  const before = replica.configuration;
  const members = withLearners(before, added).filter(({ id }) => !remove.includes(id));
  const voters = [...before.voters, ...promote.filter((id) => !before.voters.includes(id as NodeId))].filter(
    (id) => !remove.includes(id),
  ) as NodeId[];
  if (replica.settled && sameMembers(before.members, members) && sameNodes(before.voters, voters)) return;
  const result = replica.changeMembership(members, voters);
  if (result === undefined) throw new LograftError('SHUTTING_DOWN', `node ${group.self} is shutting down: nothing was changed`);
  if (!result.accepted) throw refusal(result, group);
  await replica.whenSettled();
  const after = replica.configuration;
  // A leader that is to leave has done so; anything else that ended its leadership may have undone the change.
  if (sameNodes(after.voters, voters) && (replica.settled || !group.leads) && after.outgoing.length === 0) return;
  throw new LograftError(
    'OUTCOME_UNKNOWN',
    `node ${group.self} lost the leadership of ${group.name} meanwhile: look, and try again`,
  );
}

/** A member is who answers at its address now: its disk is what it will be counted with. */
async function meet({ node, address }: NewMember, group: string, facts: MemberFacts): Promise<Member> {
  if (!isNodeId(node)) throw invalid(`${JSON.stringify(node.slice(0, 200))} is not a node's name`);
  const introduced = await facts.introduce(group, address).catch((error) => {
    const why = error instanceof LograftError ? error.message : String(error);
    throw invalid(`nobody introduces itself at ${address} (${why}): start ${node} first. Nothing was changed`);
  });
  if (introduced.node !== node) throw invalid(`at ${address} answers node ${introduced.node}, not ${node}. Nothing was changed`);
  return { id: node, address, disk: introduced.disk };
}

function withLearners(before: Configuration, added: readonly Member[]): Member[] {
  const members = [...before.members];
  for (const member of added) {
    const known = memberOf(before, member.id);
    if (known === undefined) members.push(member);
    else if (known.disk !== member.disk && before.voters.includes(member.id)) {
      const advice = 'remove it first, it comes back as a learner. Nothing was changed';
      throw new LograftError('OTHER_DISK', `${member.id} votes with another disk than it has now: ${advice}`);
    } else members[members.indexOf(known)] = member;
  }
  return members;
}

function sameMembers(one: readonly Member[], other: readonly Member[]): boolean {
  const key = ({ id, address, disk, returning }: Member): string => `${id} ${address} ${disk} ${returning === true}`;
  return one.length === other.length && one.every((member, at) => key(member) === key(other[at] as Member));
}

function refusal(result: Extract<MembershipResult, { accepted: false }>, group: Group): LograftError {
  const { reason, problem } = result;
  assert(problem !== '', 'a refusal says why');
  switch (reason) {
    case 'notLeader':
      return group.notLeader();
    case 'transferring':
    case 'changing':
      return new LograftError('MEMBERS_CHANGING', `${problem}: nothing was changed, try again soon`);
    case 'notCaughtUp':
      return new LograftError('NOT_CAUGHT_UP', `${problem}: nothing was changed, try again when it has`);
    case 'unsound':
      return invalid(`${problem}. Nothing was changed`);
    default:
      return unreachable(reason);
  }
}

function invalid(message: string): LograftError {
  return new LograftError('INVALID_REQUEST', message);
}
