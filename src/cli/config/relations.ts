/** What must hold between the keys of a broker's configuration, once each of them is right by itself. */
import type { BrokerConfig } from '../../broker/broker-config.ts';
import { isWildcard, portOf } from './address.ts';
import type { Problem } from './problems.ts';

/** Of one group. */
const MOST_REPLICAS = 7;

export function brokenRelations(config: BrokerConfig): Problem[] {
  return [...timing(config), ...distinctMembers(config), ...reachableMembers(config), ...ownEntry(config), ...placement(config)];
}

/** What works, but is hardly meant. */
export function doubtful({ members, replicaFactor, routers, preferredLeader }: BrokerConfig): Problem[] {
  const count = members.length;
  const doubts: Problem[] = [];
  if (replicaFactor === 0 && count % 2 === 0)
    doubts.push(
      problem('members', `has ${count}, which survive no more failures than ${count - 1} and are slower: use an odd number`),
    );
  if (routers.length === 0) doubts.push(problem('routers', 'is empty: clients cannot find this group through a router'));
  if (preferredLeader !== '' && !members.some(({ id }) => id === preferredLeader))
    doubts.push(problem('preferredLeader', `is "${preferredLeader}", which is none of the members`));
  return doubts;
}

function timing({ heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs }: BrokerConfig): Problem[] {
  const problems: Problem[] = [];
  if (heartbeatIntervalMs * 2 > electionTimeoutMinMs) {
    problems.push(
      problem(
        'heartbeatIntervalMs',
        `is ${heartbeatIntervalMs}: must be at most half of electionTimeoutMinMs, which is ${electionTimeoutMinMs}`,
      ),
    );
  }
  if (electionTimeoutMaxMs <= electionTimeoutMinMs) {
    problems.push(
      problem(
        'electionTimeoutMaxMs',
        `is ${electionTimeoutMaxMs}: must be above electionTimeoutMinMs, which is ${electionTimeoutMinMs}`,
      ),
    );
  }
  return problems;
}

function distinctMembers({ members }: BrokerConfig): Problem[] {
  return (['id', 'address'] as const).flatMap((key) => {
    const values = members.map((member) => member[key]);
    const twice = new Set(values.filter((value, at) => values.indexOf(value) !== at));
    return [...twice].map((value) => problem('members', `has the ${key} ${value} more than once`));
  });
}

function reachableMembers({ members }: BrokerConfig): Problem[] {
  return members
    .filter(({ address }) => isWildcard(address))
    .map(({ id, address }) => problem('members', `has ${address} for ${id}: must be an address that others can connect to`));
}

function ownEntry({ nodeId, listen, advertise, members }: BrokerConfig): Problem[] {
  const own = members.find(({ id }) => id === nodeId);
  if (own === undefined) {
    const ids = members.map(({ id }) => id).join(', ');
    return [problem('nodeId', `is "${nodeId}": must be one of the members (${ids})`)];
  }
  if (isWildcard(own.address)) return [];
  if (isWildcard(advertise) || portOf(advertise) === 0) {
    const origin = advertise === listen ? ' (from listen)' : '';
    return [problem('advertise', `is "${advertise}"${origin}: must be an address that others can connect to`)];
  }
  if (own.address === advertise) return [];
  return [problem('members', `has ${own.address} for ${nodeId}, and its advertise is ${advertise}: must be the same`)];
}

function placement({ group, members, replicaGroups, replicaFactor, preferredLeader }: BrokerConfig): Problem[] {
  const problems: Problem[] = [];
  const count = members.length;
  if (group.startsWith('.')) problems.push(problem('group', `is "${group}": must not begin with a dot`));
  if (replicaFactor > count)
    problems.push(problem('replicaFactor', `is ${replicaFactor}: must be at most the number of members, which is ${count}`));
  if (replicaFactor === 0 && count > MOST_REPLICAS)
    problems.push(
      problem('members', `has ${count} nodes: with more than ${MOST_REPLICAS}, replicaFactor must say how many a group has`),
    );
  if (preferredLeader !== '' && replicaGroups > 1)
    problems.push(
      problem(
        'preferredLeader',
        `is "${preferredLeader}": with replicaGroups ${replicaGroups} it must be left out, leaders are spread`,
      ),
    );
  return problems;
}

function problem(key: keyof BrokerConfig, rest: string): Problem {
  return { path: [key], text: `${key} ${rest}` };
}
