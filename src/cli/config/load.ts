/** From a YAML file and flags to a checked configuration, or one error that lists all that is wrong. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { BROKER_DEFAULTS, type BrokerConfig } from '../../broker/broker-config.ts';
import { CliError } from '../cli-error.ts';
import { brokerSchema } from './broker-schema.ts';
import { describeProblems } from './problems.ts';
import { brokenRelations } from './relations.ts';
import { type RouterConfig, routerSchema } from './router-schema.ts';

/** Values given as flags; they win over the file's. */
export type Overrides<Config> = { readonly [Key in keyof Config]?: unknown };

export function loadBrokerConfig(file: string | undefined, overrides: Overrides<BrokerConfig>): BrokerConfig {
  const values = { ...(file === undefined ? {} : readYaml(file)), ...overrides };
  const parsed = check(brokerSchema, values, file);
  const config: BrokerConfig = {
    ...parsed,
    advertise: parsed.advertise ?? parsed.listen,
    dataDir: resolve(parsed.dataDir),
    replicaFactor: parsed.replicaFactor ?? BROKER_DEFAULTS.replicaFactor,
  };
  const broken = brokenRelations(config);
  if (broken.length > 0) throw configError(file, broken);
  return config;
}

export function loadRouterConfig(file: string | undefined, overrides: Overrides<RouterConfig>): RouterConfig {
  return check(routerSchema, { ...(file === undefined ? {} : readYaml(file)), ...overrides }, file);
}

function check<Schema extends z.ZodType>(schema: Schema, values: unknown, file: string | undefined): z.output<Schema> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw configError(file, describeProblems(schema, values, result.error));
}

export function readYaml(file: string): Record<string, unknown> {
  const document = parseDocument(readText(file));
  const first = document.errors[0];
  if (first !== undefined) {
    // The library shows the spot on further lines; the first says what and where.
    throw configError(file, [`not valid YAML: ${(first.message.split('\n')[0] ?? '').replace(/:$/, '')}`]);
  }
  const content: unknown = document.toJS() ?? {};
  if (typeof content === 'object' && !Array.isArray(content)) return content as Record<string, unknown>;
  throw configError(file, ['it must hold keys with values, one "key: value" a line']);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw configError(file, [missing ? 'there is no such file' : (error as Error).message]);
  }
}

function configError(file: string | undefined, problems: readonly string[]): CliError {
  const where = file === undefined ? 'the configuration given by flags' : `configuration ${file}`;
  const advice = 'Nothing was started. Every key: docs/configuration.md';
  if (problems.length === 1) return new CliError(`${where}: ${problems[0]}. ${advice}`);
  const list = problems.map((problem, at) => `(${at + 1}) ${problem}`).join('; ');
  return new CliError(`${where} has ${problems.length} problems: ${list}. ${advice}`);
}
