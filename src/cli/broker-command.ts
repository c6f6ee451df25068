/** `lograft broker`: one node of a group. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import type { BrokerConfig } from '../broker/broker-config.ts';
import { type BrokerFlags, givenBeside, withBrokerFlags } from './broker-flags.ts';
import { loadBrokerConfig } from './config/load.ts';
import { withExamples } from './flags.ts';
import { createLogger, logLevelOption } from './logger.ts';
import { runService, type Service } from './run-service.ts';

interface RunFlags extends BrokerFlags {
  readonly config?: string;
  readonly logLevel: string;
}

export function brokerCommand(): Command {
  const command = new Command('broker')
    .description('run one broker: a member of a replicated group')
    .option('-c, --config <file>', 'YAML, or a RocketMQ broker.conf (docs/configuration.md); flags win over it');
  withBrokerFlags(command).addOption(logLevelOption()).action(runBroker);
  return withExamples(command, [
    'lograft broker --config /etc/lograft/cluster.yaml --node-id n1',
    'lograft broker --config /etc/rocketmq/broker-n0.conf --data /var/lib/lograft',
    'lograft broker --node-id n1 --listen 127.0.0.1:9001 --data /var/lib/lograft --member n1=127.0.0.1:9001 --routers 127.0.0.1:8080',
  ]);
}

async function runBroker(flags: RunFlags): Promise<void> {
  const { config, warnings } = loadBrokerConfig(flags.config, givenBeside(flags, process.env));
  const logger = await createLogger(flags.logLevel);
  for (const warning of warnings) logger.warn(warning);
  await runService(logger, () => start(config, logger));
}

async function start(config: BrokerConfig, logger: Logger): Promise<Service> {
  const { startBroker } = await import('../broker/broker.ts');
  return startBroker(config, logger);
}
