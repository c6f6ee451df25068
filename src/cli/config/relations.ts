/** What must hold between the keys of a broker's configuration, once each of them is right by itself. */
import type { BrokerConfig } from '../../broker/broker-config.ts';

/** Of one group. */
const MOST_REPLICAS = 7;

export function brokenRelations(config: BrokerConfig): string[] {
  return [...timing(config), ...reachability(config), ...membership(config), ...placement(config)];
}

/** What works, but is hardly meant. */
export function doubtful(config: BrokerConfig): string[] {
  const count = config.members.length;
  const doubts: string[] = [];
  if (config.replicaFactor === 0 && count % 2 === 0)
    doubts.push(`members: ${count} survive no more failures than ${count - 1} and are slower: use an odd number`);
  if (config.routers.length === 0) doubts.push('routers is empty: clients cannot find this group through a router');
  return doubts;
}

function timing({ heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs }: BrokerConfig): string[] {
  const problems: string[] = [];
  if (heartbeatIntervalMs * 2 > electionTimeoutMinMs) {
    problems.push(
      `heartbeatIntervalMs is ${heartbeatIntervalMs}: must be at most half of electionTimeoutMinMs, which is ${electionTimeoutMinMs}`,
    );
  }
  if (electionTimeoutMaxMs <= electionTimeoutMinMs) {
    problems.push(
      `electionTimeoutMaxMs is ${electionTimeoutMaxMs}: must be above electionTimeoutMinMs, which is ${electionTimeoutMinMs}`,
    );
  }
  return problems;
}

function reachability({ listen, advertise }: BrokerConfig): string[] {
  const wildcard = /^(0\.0\.0\.0|\[::\]|\[0:0:0:0:0:0:0:0\]):/.test(advertise);
  if (!wildcard && !advertise.endsWith(':0')) return [];
  return [
    `advertise is "${advertise}"${advertise === listen ? ' (from listen)' : ''}: must be an address that others can connect to`,
  ];
}

function membership({ nodeId, advertise, members }: BrokerConfig): string[] {
  const problems: string[] = [];
  for (const key of ['id', 'address'] as const) {
    const values = members.map((member) => member[key]);
    const twice = new Set(values.filter((value, at) => values.indexOf(value) !== at));
    for (const value of twice) problems.push(`members has the ${key} ${value} more than once`);
  }
  const self = members.find(({ id }) => id === nodeId);
  if (self === undefined) {
    const ids = members.map(({ id }) => id).join(', ');
    problems.push(`nodeId is "${nodeId}": must be one of the members (${ids})`);
  } else if (self.address !== advertise) {
    problems.push(`members has ${self.address} for ${nodeId}, and its advertise is ${advertise}: must be the same`);
  }
  return problems;
}

function placement({ group, members, replicaGroups, replicaFactor, preferredLeader }: BrokerConfig): string[] {
  const problems: string[] = [];
  const count = members.length;
  if (group.startsWith('.')) problems.push(`group is "${group}": must not begin with a dot`);
  if (replicaFactor > count)
    problems.push(`replicaFactor is ${replicaFactor}: must be at most the number of members, which is ${count}`);
  if (replicaFactor === 0 && count > MOST_REPLICAS)
    problems.push(`members has ${count} nodes: with more than ${MOST_REPLICAS}, replicaFactor must say how many a group has`);
  if (preferredLeader !== '' && replicaGroups > 1)
    problems.push(
      `preferredLeader is "${preferredLeader}": with replicaGroups ${replicaGroups} it must be left out, leaders are spread`,
    );
  return problems;
}
