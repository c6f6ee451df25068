/** `lograft config`: looks at configuration files, and starts nothing. */
import { Command, Option } from 'commander';
import { type BrokerFlags, givenBeside, withBrokerFlags } from './broker-flags.ts';
import { CliError } from './cli-error.ts';
import { checkBrokerFile, checkRouterFile } from './config/check.ts';
import { examineBroker } from './config/examine.ts';
import { brokerSource, configError } from './config/load.ts';
import type { Remark } from './config/source.ts';
import { withExamples } from './flags.ts';
import { renderSettings, toSettingsView } from './settings-view.ts';
import { isTerminal } from './terminal.ts';

interface CheckFlags {
  readonly type: 'broker' | 'router';
}

interface ShowFlags extends BrokerFlags {
  readonly json?: boolean;
}

export function configCommand(): Command {
  const config = new Command('config').description('look at a configuration file, and start nothing');
  for (const command of [checkCommand(), showCommand()]) config.addCommand(command);
  return withExamples(config, [
    'lograft config check /etc/lograft/cluster.yaml',
    'lograft config show /etc/lograft/cluster.yaml --node-id n1',
  ]);
}

function checkCommand(): Command {
  const command = new Command('check')
    .description('say all that is wrong with a file; exit code 1 when something is')
    .argument('<file>', 'YAML, or a RocketMQ broker.conf; one for all nodes is checked for each of its members')
    .addOption(new Option('--type <service>', 'what the file is for').choices(['broker', 'router']).default('broker'))
    .action(check);
  return withExamples(command, [
    'lograft config check /etc/lograft/cluster.yaml',
    'lograft config check /etc/rocketmq/broker-n0.conf',
    'lograft config check /etc/lograft/router.yaml --type router',
  ]);
}

function check(file: string, { type }: CheckFlags): void {
  const { problems, warnings, nodes } = type === 'router' ? checkRouterFile(file) : checkBrokerFile(file);
  for (const warning of warnings) print(`${place(file, warning)} warning: ${sentence(warning)}`);
  for (const problem of problems) print(`${place(file, problem)} ${sentence(problem)}`);
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new CliError(`${file} has ${count}: no ${type} starts with it. Every key: docs/configuration.md`);
  }
  print(nodes.length > 1 ? `OK for each of ${nodes.join(', ')}` : 'OK');
}

/** As compilers do, so that editors find it. */
function place(file: string, { line }: Remark): string {
  return line === undefined ? `${file}:` : `${file}:${line}:`;
}

function sentence({ text, key }: Remark): string {
  return key === undefined ? text : `${text} (${key})`;
}

function showCommand(): Command {
  const command = new Command('show')
    .description('print every value that a broker would start with, and where each comes from')
    .argument('<file>', 'YAML, or a RocketMQ broker.conf');
  withBrokerFlags(command).option('--json', 'as one line of JSON; the default in a pipe').action(show);
  return withExamples(command, [
    'lograft config show /etc/lograft/cluster.yaml --node-id n1',
    'lograft config show /etc/rocketmq/broker-n0.conf --json | jq .retentionMs',
  ]);
}

function show(file: string, flags: ShowFlags): void {
  const examined = examineBroker(brokerSource(file), givenBeside(flags, process.env));
  if ('problems' in examined) throw configError(file, examined.problems);
  for (const warning of examined.warnings) process.stderr.write(`${place(file, warning)} warning: ${sentence(warning)}\n`);
  const view = toSettingsView(examined);
  print(flags.json || !isTerminal(process.stdout) ? JSON.stringify(view) : renderSettings(view));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
