/** Flags that stand for keys of a broker's configuration. */
import type { Command } from 'commander';
import type { BrokerConfig } from '../broker/broker-config.ts';
import type { Given } from './config/examine.ts';
import { addressList, member } from './flags.ts';

export interface BrokerFlags {
  readonly nodeId?: string;
  readonly listen?: string;
  readonly advertise?: string;
  readonly data?: string;
  readonly group?: string;
  readonly member?: readonly { id: string; address: string }[];
  readonly routers?: readonly string[];
}

/** The flag for each key that has one. */
export const FLAG_OF: { readonly [Key in keyof BrokerConfig]?: string } = {
  nodeId: '--node-id',
  listen: '--listen',
  advertise: '--advertise',
  dataDir: '--data',
  group: '--group',
  members: '--member',
  routers: '--routers',
};

export function withBrokerFlags(command: Command): Command {
  return command
    .option('--node-id <id>', "this node's name (or LOGRAFT_NODE_ID, where the file has none)")
    .option('--listen <host:port>', 'where clients and peers connect')
    .option('--advertise <host:port>', 'where others reach this node')
    .option('--data <directory>', "the node's data")
    .option('--group <name>', 'name of the broker group')
    .option('--member <id=host:port>', 'a member of the group, this node included; once for each', member)
    .option('--routers <host:port,...>', 'every router', addressList);
}

/** What stands beside the configuration file. */
export function givenBeside(flags: BrokerFlags, environment: NodeJS.ProcessEnv): Given<BrokerConfig> {
  const values = {
    nodeId: flags.nodeId,
    listen: flags.listen,
    advertise: flags.advertise,
    dataDir: flags.data,
    group: flags.group,
    members: flags.member,
    routers: flags.routers,
  };
  return {
    flags: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
    // Set to nothing is as good as not set.
    nodeIdOfEnvironment: environment.LOGRAFT_NODE_ID || undefined,
  };
}
