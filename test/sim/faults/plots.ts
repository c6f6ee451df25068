/**
 * Faults that come together, in the order that hurts. Real outages have it (maintenance in the middle of a partition, a disk that is replaced while another
 * node lags); faults drawn each on its own hardly ever do.
 */
import type { MemberChange } from '../../../src/client/admin.ts';
import type { Configuration } from '../../../src/raft/configuration.ts';
import { quorumSize } from '../../../src/raft/quorum.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import type { BrokerMachine } from '../cluster/broker-machine.ts';
import type { SimCluster } from '../cluster/sim-cluster.ts';
import type { Witness } from '../cluster/witness.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { SimNetwork } from '../network/sim-network.ts';
import { nextRepair } from './member-changes.ts';

/** What the nemesis can do. */
export interface Hands {
  readonly random: SimRandom;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly witness: Witness;
  leader(): BrokerMachine | undefined;
  settledConfiguration(): Configuration | undefined;
  later(minimumMs: number, maximumMs: number, task: () => void): void;
  crash(broker: BrokerMachine, kind: 'process' | 'power', minimumMs: number, maximumMs: number): boolean;
  pause(broker: BrokerMachine): boolean;
  wipe(broker: BrokerMachine): boolean;
  ask(change: MemberChange): void;
  note(who: string, what: string): void;
}

/**
 * Most voters, and the leader with the newcomers, lose sight of each other just as the newcomers are to take over; now and then a second operator knows
 * nothing of the first. Or the leader is lost in the middle.
 */
export function changeWhileParted(hands: Hands): boolean {
  const { random, network } = hands;
  const group = groupAtRest(hands);
  if (group === undefined) return false;
  const { leader, voters, learners } = group;
  const others = random.shuffle(voters.filter((id) => id !== leader.id));
  const before = others.slice(0, quorumSize(voters.length));
  if (learners.length === 0 || before.length < quorumSize(voters.length)) return false;
  const leaving = before.slice(0, random.between(1, Math.min(before.length, learners.length)));
  if (random.chance(0.7)) {
    part(hands, before);
    hands.later(1_000, 4_000, () => network.healAll());
  } else {
    hands.later(0, 50, () => void (random.chance(0.5) ? hands.pause(leader) : hands.crash(leader, 'power', 0, 2_000)));
  }
  hands.ask({ promote: learners, remove: leaving });
  if (random.chance(0.7)) hands.later(0, 300, () => hands.ask({ remove: [random.pick([...learners, ...leaving])] }));
  return true;
}

/** A leader tells another one to take over, and is cut off: it does not learn that it was obeyed. Clients still reach it. */
export function handOverUnheard(hands: Hands): boolean {
  const { random, cluster, network, witness, later } = hands;
  const leader = hands.leader();
  if (leader === undefined || cluster.brokers.length === 1) return false;
  cluster.operator.transferLeader(random.pick(cluster.brokers.filter((broker) => broker !== leader)).id);
  witness.whenNext('timeoutNow', () => {
    // What has left arrives.
    later(0, 0, () => part(hands, [leader.id]));
    later(300, 2_000, () => network.healAll());
  });
  return true;
}

/**
 * While others lag, one of those whose acknowledgements counted gets a new disk, and the rest of them go down for a while: for so long nobody who is up has
 * what was committed last, and nobody may lead.
 */
export function replaceDiskOfQuorum(hands: Hands): boolean {
  const { random, cluster, network } = hands;
  const group = groupAtRest(hands);
  if (group === undefined) return false;
  const { leader, voters, learners } = group;
  if (learners.length > 0) {
    hands.ask({ promote: learners });
    return false;
  }
  const others = random.shuffle(voters.filter((id) => id !== leader.id));
  const [replaced, ...rest] = others.slice(0, quorumSize(voters.length) - 1);
  if (replaced === undefined || voters.length < 3) return false;
  part(hands, others.slice(1 + rest.length));
  hands.later(100, 1_000, () => {
    network.healAll();
    const [first, ...more] = [replaced, leader.id, ...rest].map((id) => cluster.broker(id) as BrokerMachine);
    if (first === undefined || !hands.wipe(first)) return;
    for (const broker of more) hands.crash(broker, random.pick(['process', 'power']), 3_000, 5_000);
  });
  return true;
}

/** A follower is away until nobody's log goes back to where it was, and its disk takes long for the snapshot that it then gets; now and then power fails meanwhile. */
export function fallBehind(hands: Hands): boolean {
  const { random, cluster, network, later } = hands;
  const leader = hands.leader();
  const others = cluster.brokers.filter((broker) => broker !== leader);
  // One at a time: the end of one absence would be the end of all.
  if (leader === undefined || others.length === 0 || others.some(({ host }) => !network.reaches(leader.host, host))) return false;
  const follower = random.pick(others);
  part(hands, [follower.id]);
  later(3_000, 5_000, () => {
    network.healAll();
    follower.disk.slow(50);
    later(500, 3_000, () => follower.disk.slow(1));
    if (random.chance(0.3)) later(0, 1_000, () => void hands.crash(follower, 'power', 0, 500));
  });
  return true;
}

interface GroupAtRest {
  readonly leader: BrokerMachine;
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** Undefined while members change, or when they have yet to be what they should be: the operator then sees to that first. */
function groupAtRest(hands: Hands): GroupAtRest | undefined {
  const configuration = hands.settledConfiguration();
  const leader = hands.leader();
  if (configuration === undefined || leader === undefined || hands.cluster.operator.pending > 0) return undefined;
  const repair = nextRepair(configuration, hands.cluster.brokers);
  if (repair !== undefined) {
    hands.ask(repair);
    return undefined;
  }
  const { members, voters } = configuration;
  return { leader, voters, learners: members.map(({ id }) => id).filter((id) => !voters.includes(id)) };
}

/** Brokers only: clients reach them all. */
function part({ cluster, network, note }: Hands, side: readonly NodeId[]): void {
  const rest = cluster.brokers.filter(({ id }) => !side.includes(id)).map(({ host }) => host);
  network.partition([side, rest]);
  note('network', `is parted: ${side.join(' ')} | ${rest.join(' ')}`);
}
