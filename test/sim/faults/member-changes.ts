/** What an operator asks of a group, within what can go well: learners come, get the vote, members leave, lost ones are replaced. */
import type { MemberChange } from '../../../src/client/admin.ts';
import { type Configuration, memberOf } from '../../../src/raft/configuration.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import type { BrokerMachine } from '../cluster/broker-machine.ts';
import type { SimRandom } from '../engine/sim-random.ts';

/** Rarely enough for the leader, who waits ten seconds before it does something about it, to be first now and then. */
const LOST_VOTER_IS_REMOVED = 0.1;

/** Members whose disk is no longer the one they are counted with. */
export function lostMembers({ members }: Configuration, brokers: readonly BrokerMachine[]): NodeId[] {
  const lost = members.filter(({ id, disk }) => brokers.find((broker) => broker.id === id)?.diskId !== disk);
  return lost.map(({ id }) => id);
}

/** What a lost or missing member needs next: out, if it votes with a disk that is no more; then in again, as a learner. */
export function nextRepair(configuration: Configuration, brokers: readonly BrokerMachine[]): MemberChange | undefined {
  const lost = lostMembers(configuration, brokers);
  const lostVoter = lost.find((id) => configuration.voters.includes(id));
  if (lostVoter !== undefined) return { remove: [lostVoter] };
  const strangers = brokers.filter(({ id }) => memberOf(configuration, id) === undefined || lost.includes(id));
  if (strangers.length === 0) return undefined;
  return { addLearners: strangers.map(({ id, address }) => ({ node: id, address })) };
}

export function drawChange(
  random: SimRandom,
  configuration: Configuration,
  brokers: readonly BrokerMachine[],
): MemberChange | undefined {
  const { members, voters } = configuration;
  const lost = lostMembers(configuration, brokers);
  const lostVoter = lost.find((id) => voters.includes(id));
  // A voter less, while one is lost already, might be one too many: first the lost one goes, or the leader takes it back.
  if (lostVoter !== undefined) return random.chance(LOST_VOTER_IS_REMOVED) ? { remove: [lostVoter] } : undefined;
  const learners = members.map(({ id }) => id).filter((id) => !voters.includes(id) && !lost.includes(id));
  const strangers = brokers.filter(({ id }) => memberOf(configuration, id) === undefined || lost.includes(id));
  const changes: MemberChange[] = [];
  if (strangers.length > 0) {
    const { id: node, address } = random.pick(strangers);
    changes.push({ addLearners: [{ node, address }] });
  }
  if (learners.length > 0) {
    changes.push({ promote: learners }, { promote: learners }, { remove: [random.pick(learners)] });
    if (voters.length > 1) changes.push({ promote: [random.pick(learners)], remove: [random.pick(voters)] });
  }
  if (voters.length > 1) changes.push({ remove: [random.pick(voters)] });
  return changes.length === 0 ? undefined : random.pick(changes);
}

/** The next step to have everybody as a voter again; undefined when that is so. */
export function replacing(configuration: Configuration, brokers: readonly BrokerMachine[]): MemberChange | undefined {
  const { members, voters } = configuration;
  const [lost] = lostMembers(configuration, brokers);
  if (lost !== undefined) return { remove: [lost] };
  const stranger = brokers.find(({ id }) => memberOf(configuration, id) === undefined);
  if (stranger !== undefined) return { addLearners: [{ node: stranger.id, address: stranger.address }] };
  const learners = members.map(({ id }) => id).filter((id) => !voters.includes(id));
  return learners.length === 0 ? undefined : { promote: learners };
}
