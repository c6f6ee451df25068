/** How a group changes who belongs to it while it works (thesis 4): one change at a time, voters over a joint configuration. */
import {
  type Configuration,
  configurationProblem,
  encodeConfiguration,
  isJoint,
  isVoter,
  type Member,
  memberOf,
  returned,
  sameNodes,
} from './configuration.ts';
import type { MembershipResult } from './effects.ts';
import { FollowerProgress } from './progress.ts';
import { isActive, replicateToAll } from './replication.ts';
import type { Leadership, RaftState } from './state.ts';
import { KIND_CONFIGURATION, type LogIndex, type NodeId } from './types.ts';

export function changeMembership(state: RaftState, members: readonly Member[], voters: readonly NodeId[]): MembershipResult {
  const { leadership, configuration } = state;
  if (!leadership) return refused('notLeader', 'only the leader changes the group');
  if (leadership.transfer) return refused('transferring', 'the leadership is being handed over');
  const settledMembers = members.map((member) => (voters.includes(member.id) ? returned(member) : member));
  const target: Configuration = { members: settledMembers, voters, outgoing: [] };
  const problem = configurationProblem(target) ?? movedVoter(configuration, target);
  if (problem !== undefined) return refused('unsound', problem);
  if (!isSettled(state, leadership)) return refused('changing', 'another change is under way');
  const laggard = voters.find((voter) => !isVoter(configuration, voter) && !isCaughtUp(state, leadership, voter));
  if (laggard !== undefined) return refused('notCaughtUp', `${laggard} has not caught up with the log`);
  // Learners count for no quorum: they come and go in one step.
  if (sameNodes(voters, configuration.voters)) return { accepted: true, index: append(state, leadership, target) };
  return { accepted: true, index: append(state, leadership, joint(configuration, target)) };
}

/**
 * To be called whenever something was committed: from a committed joint configuration the group goes on to the new one, and a leader that is no
 * voter any more retires once that is committed (thesis 4.2.2).
 */
export function continueChange(state: RaftState, leadership: Leadership): 'retires' | undefined {
  const { configurations, configuration, commitIndex } = state;
  if (configurations.currentIndex > commitIndex) return undefined;
  if (isJoint(configuration)) {
    const { members, voters, outgoing } = configuration;
    const staying = members.filter(({ id, returning }) => voters.includes(id) || !outgoing.includes(id) || returning);
    append(state, leadership, { members: staying, voters, outgoing: [] });
    return undefined;
  }
  return isVoter(configuration, state.id) ? undefined : 'retires';
}

/** Brings the followers in line with the configuration in force: at append, not at commit (thesis 4.1). */
export function updateFollowers(state: RaftState, leadership: Leadership, before: Configuration): void {
  const { peers } = state;
  for (const id of leadership.followers.keys()) if (!peers.includes(id)) leadership.followers.delete(id);
  const nextIndex = (state.log.lastIndex + 1) as LogIndex;
  for (const id of peers) {
    const follower = leadership.followers.get(id);
    if (follower === undefined) leadership.followers.set(id, new FollowerProgress(id, nextIndex, state.nowMs));
    // Another disk holds nothing of what the former one attested.
    else if (memberOf(before, id)?.disk !== memberOf(state.configuration, id)?.disk) follower.forgetMatch();
  }
}

/** The opening entry is committed: an uncommitted change of a former leader cannot come back any more (thesis 4.1, the fix of 2015). */
function isSettled(state: RaftState, leadership: Leadership): boolean {
  const { configurations, configuration, commitIndex } = state;
  return commitIndex >= leadership.openingIndex && configurations.currentIndex <= commitIndex && !isJoint(configuration);
}

/**
 * The voters before and the new ones, who become the only ones once this is committed. Who leaves the voters leaves the group then, unless it is to
 * return.
 */
function joint(before: Configuration, { members, voters }: Configuration): Configuration {
  const leaving = before.members.filter(({ id }) => before.voters.includes(id) && !members.some((member) => member.id === id));
  return { members: [...members, ...leaving], voters, outgoing: before.voters };
}

/** A voter is who it was: with another disk it is another member, which comes as a learner first. */
function movedVoter(before: Configuration, target: Configuration): string | undefined {
  for (const id of before.voters) {
    const is = memberOf(target, id);
    if (is === undefined) continue;
    // Until the change is through it votes yet: with the disk that it had.
    if (is.disk !== memberOf(before, id)?.disk) return `${id} has another disk: it must leave and come back as a learner`;
    if (!target.voters.includes(id) && !is.returning) return `${id} votes: it must leave before it can be a learner`;
  }
  for (const id of target.voters) {
    const was = memberOf(before, id);
    if (was === undefined) return `${id} must be a learner first`;
    if (was.disk !== memberOf(target, id)?.disk) return `${id} has another disk: it must come as a learner first`;
  }
  return undefined;
}

/**
 * Alive, and behind by what is on its way and no more. And it knows, durably, that it belongs to the group: a node that does not gives no votes, and with
 * a vote that is never given the next election could not be won.
 */
function isCaughtUp(state: RaftState, leadership: Leadership, id: NodeId): boolean {
  if (id === state.id) return true;
  const { log, configurations, config } = state;
  const follower = leadership.followers.get(id);
  if (follower === undefined || follower.state !== 'replicate' || !isActive(state, follower)) return false;
  const next = (follower.matchIndex + 1) as LogIndex;
  if (follower.matchIndex < configurations.currentIndex || next < log.sizes.firstIndex) return false;
  return log.sizes.bytes(next, log.lastIndex) <= config.maxInflightBytes;
}

function append(state: RaftState, leadership: Leadership, configuration: Configuration): LogIndex {
  const index = (state.log.lastIndex + 1) as LogIndex;
  const payload = encodeConfiguration(configuration);
  const before = state.configuration;
  state.appendEntries([{ term: leadership.term, index, kind: KIND_CONFIGURATION, payload }]);
  updateFollowers(state, leadership, before);
  replicateToAll(state, leadership);
  return index;
}

function refused(reason: Extract<MembershipResult, { accepted: false }>['reason'], problem: string): MembershipResult {
  return { accepted: false, reason, problem };
}
