/** `lograft router`: tells clients who leads. */
import { Command } from 'commander';
import { loadRouterConfig } from './config/load.ts';
import { withExamples } from './flags.ts';
import { createLogger, logLevelOption } from './logger.ts';
import { runService } from './run-service.ts';

interface RouterFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly logLevel: string;
}

export function routerCommand(): Command {
  const command = new Command('router')
    .description('run a router: tells clients which broker leads (keeps nothing on disk)')
    .option('-c, --config <file>', 'YAML file (docs/configuration.md); flags win over it')
    .option('--listen <host:port>', 'where clients and brokers connect (default: 127.0.0.1:8080)')
    .addOption(logLevelOption())
    .action(runRouter);
  return withExamples(command, ['lograft router --listen 0.0.0.0:8080', 'lograft router --config /etc/lograft/router.yaml']);
}

async function runRouter(flags: RouterFlags): Promise<void> {
  const config = loadRouterConfig(flags.config, { flags: flags.listen === undefined ? {} : { listen: flags.listen } });
  const logger = await createLogger(flags.logLevel);
  await runService(logger, async () => {
    const { startRouter } = await import('../router/router.ts');
    return startRouter(config, logger);
  });
}
