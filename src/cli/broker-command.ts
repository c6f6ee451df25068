/** `lograft broker`: one node of a group. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import type { BrokerConfig } from '../broker/broker-config.ts';
import { loadBrokerConfig, type Overrides } from './config/load.ts';
import { doubtful } from './config/relations.ts';
import { addressList, member, withExamples } from './flags.ts';
import { createLogger, logLevelOption } from './logger.ts';
import { runService, type Service } from './run-service.ts';

export interface BrokerFlags {
  readonly config?: string;
  readonly logLevel: string;
  readonly nodeId?: string;
  readonly listen?: string;
  readonly advertise?: string;
  readonly data?: string;
  readonly group?: string;
  readonly member?: readonly { id: string; address: string }[];
  readonly routers?: readonly string[];
}

export function brokerCommand(): Command {
  const command = new Command('broker')
    .description('run one broker: a member of a replicated group')
    .option('-c, --config <file>', 'YAML file (docs/configuration.md); flags win over it')
    .option('--node-id <id>', "this node's name")
    .option('--listen <host:port>', 'where clients and peers connect')
    .option('--advertise <host:port>', 'where others reach this node')
    .option('--data <directory>', "the node's data")
    .option('--group <name>', 'name of the broker group')
    .option('--member <id=host:port>', 'a member of the group, this node included; once for each', member)
    .option('--routers <host:port,...>', 'every router', addressList)
    .addOption(logLevelOption())
    .action(runBroker);
  return withExamples(command, [
    'lograft broker --config /etc/lograft/broker.yaml',
    'lograft broker --node-id n1 --listen 127.0.0.1:9001 --data /var/lib/lograft --member n1=127.0.0.1:9001 --routers 127.0.0.1:8080',
  ]);
}

async function runBroker(flags: BrokerFlags): Promise<void> {
  const config = loadBrokerConfig(flags.config, toOverrides(flags));
  const logger = await createLogger(flags.logLevel);
  for (const doubt of doubtful(config)) logger.warn(doubt);
  await runService(logger, () => start(config, logger));
}

async function start(config: BrokerConfig, logger: Logger): Promise<Service> {
  const { startBroker } = await import('../broker/broker.ts');
  return startBroker(config, logger);
}

/** Flags that were given, under the names of the keys they stand for. */
export function toOverrides(flags: BrokerFlags): Overrides<BrokerConfig> {
  const values = {
    nodeId: flags.nodeId,
    listen: flags.listen,
    advertise: flags.advertise,
    dataDir: flags.data,
    group: flags.group,
    members: flags.member,
    routers: flags.routers,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
