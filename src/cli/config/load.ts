/** From a file and flags to a checked configuration, or one error that lists all that is wrong. */
import type { BrokerConfig } from '../../broker/broker-config.ts';
import { CliError } from '../cli-error.ts';
import { examineBroker, examineRouter, type Given } from './examine.ts';
import { rocketmqSource } from './rocketmq-source.ts';
import type { RouterConfig } from './router-schema.ts';
import { EMPTY_SOURCE, inWords, type Remark, readText, type Source, unusable } from './source.ts';
import { yamlSource } from './yaml-source.ts';

export interface Loaded<Config> {
  readonly config: Config;
  /** What works, but is hardly meant: whole sentences. */
  readonly warnings: readonly string[];
}

export function loadBrokerConfig(file: string | undefined, given: Given<BrokerConfig>): Loaded<BrokerConfig> {
  const examined = examineBroker(brokerSource(file), given);
  if ('problems' in examined) throw configError(file, examined.problems);
  return { config: examined.config, warnings: examined.warnings.map(inWords) };
}

export function loadRouterConfig(file: string | undefined, given: Given<RouterConfig>): RouterConfig {
  const examined = examineRouter(routerSource(file), given);
  if ('problems' in examined) throw configError(file, examined.problems);
  return examined.config;
}

export function readYaml(file: string): Readonly<Record<string, unknown>> {
  const { values, problems } = routerSource(file);
  if (problems.length > 0) throw configError(file, problems);
  return values;
}

/** YAML, or, by its name, a RocketMQ broker.conf. */
export function brokerSource(file: string | undefined): Source {
  return read(file, file !== undefined && /\.(conf|properties)$/.test(file) ? rocketmqSource : yamlSource);
}

export function routerSource(file: string | undefined): Source {
  return read(file, yamlSource);
}

function read(file: string | undefined, parse: (text: string) => Source): Source {
  if (file === undefined) return EMPTY_SOURCE;
  const text = readText(file);
  return 'failure' in text ? unusable(text.failure) : parse(text.content);
}

export function configError(file: string | undefined, problems: readonly Remark[]): CliError {
  const where = file === undefined ? 'the configuration given by flags' : `configuration ${file}`;
  const advice = 'Nothing was started. Every key: docs/configuration.md';
  const sentences = problems.map(inWords);
  if (sentences.length === 1) return new CliError(`${where}: ${sentences[0]}. ${advice}`);
  const list = sentences.map((sentence, at) => `(${at + 1}) ${sentence}`).join('; ');
  return new CliError(`${where} has ${sentences.length} problems: ${list}. ${advice}`);
}
