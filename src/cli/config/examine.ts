/** Whether what was given makes a configuration: it and where each value comes from, or all that is wrong. */
import type { z } from 'zod';
import type { BrokerConfig } from '../../broker/broker-config.ts';
import { brokerSchema } from './broker-schema.ts';
import { complete } from './complete.ts';
import { describeProblems } from './problems.ts';
import { brokenRelations, doubtful } from './relations.ts';
import { type RouterConfig, routerSchema } from './router-schema.ts';
import { located, type Place, type Remark, type Source } from './source.ts';

/** What stands beside the file. */
export interface Given<Config> {
  /** Values of flags, under the names of the keys they stand for; they win over the file's. */
  readonly flags?: { readonly [Key in keyof Config]?: unknown };
  /** LOGRAFT_NODE_ID: who this node is, where neither a flag nor the file says so. */
  readonly nodeIdOfEnvironment?: string | undefined;
}

export type Origin =
  | ({ readonly kind: 'file' } & Place)
  | { readonly kind: 'flag' | 'environment' | 'default' }
  | { readonly kind: 'derived'; readonly of: string };

export interface Accepted<Config> {
  readonly config: Config;
  readonly origins: ReadonlyMap<keyof Config, Origin>;
  /** What works, but is hardly meant. */
  readonly warnings: readonly Remark[];
}

export type Examined<Config> = Accepted<Config> | { readonly problems: readonly Remark[] };

export function examineBroker(source: Source, given: Given<BrokerConfig>): Examined<BrokerConfig> {
  const conflict = conflictingNodeId(source, given);
  const layers = { environment: environmentOf(given), file: source.values, flags: given.flags ?? {} };
  const checked = check(brokerSchema, source, layers);
  if ('problems' in checked) return { problems: [...conflict, ...checked.problems] };

  const { config, derived } = complete(checked.parsed);
  const broken = [...conflict, ...brokenRelations(config).map((problem) => located(problem, checked))];
  if (broken.length > 0) return { problems: broken };
  return {
    config,
    origins: new Map((Object.keys(config) as (keyof BrokerConfig)[]).map((key) => [key, originOf(key, layers, derived, source)])),
    warnings: [
      ...source.warnings.filter(({ about = [] }) => !about.some((key) => key in layers.flags)),
      ...doubtful(config).map((doubt) => located(doubt, checked)),
    ],
  };
}

export function examineRouter(source: Source, given: Given<RouterConfig>): Examined<RouterConfig> {
  const layers = { environment: {}, file: source.values, flags: given.flags ?? {} };
  const checked = check(routerSchema, source, layers);
  if ('problems' in checked) return checked;
  return { config: checked.parsed, origins: new Map([['listen', originOf('listen', layers, new Map(), source)]]), warnings: [] };
}

/** The later ones win. */
interface Layers {
  readonly environment: Readonly<Record<string, unknown>>;
  readonly file: Readonly<Record<string, unknown>>;
  readonly flags: Readonly<Record<string, unknown>>;
}

type Checked<Parsed> = { readonly parsed: Parsed; readonly placeOf: Source['placeOf'] } | { readonly problems: readonly Remark[] };

function check<Schema extends z.ZodType>(schema: Schema, source: Source, layers: Layers): Checked<z.output<Schema>> {
  if (!source.readable) return { problems: source.problems };
  const values = { ...layers.environment, ...layers.file, ...layers.flags };
  // What a flag gives stands nowhere in the file.
  const placeOf: Source['placeOf'] = (path) => (String(path[0]) in layers.flags ? {} : source.placeOf(path));
  const parsed = schema.safeParse(values);
  if (parsed.success && source.problems.length === 0) return { parsed: parsed.data, placeOf };
  const problems = parsed.success ? [] : describeProblems(schema, values, parsed.error);
  // What the file has, and the source refused, is not missing.
  const refused = (path: readonly PropertyKey[]) => !(String(path[0]) in source.values) && placeOf(path).line !== undefined;
  const untold = problems.filter(({ missing, path }) => !(missing && refused(path)));
  return { problems: [...source.problems, ...untold.map((problem) => located(problem, { ...source, placeOf }))] };
}

function environmentOf({ nodeIdOfEnvironment }: Given<BrokerConfig>): Record<string, unknown> {
  return nodeIdOfEnvironment === undefined ? {} : { nodeId: nodeIdOfEnvironment };
}

/** A file that was copied to another machine and still names the first: two nodes would run under one name. */
function conflictingNodeId({ values, placeOf }: Source, { flags, nodeIdOfEnvironment }: Given<BrokerConfig>): Remark[] {
  if (flags?.nodeId !== undefined || nodeIdOfEnvironment === undefined) return [];
  if (values.nodeId === undefined || values.nodeId === nodeIdOfEnvironment) return [];
  const text = `nodeId is "${values.nodeId}" and LOGRAFT_NODE_ID is "${nodeIdOfEnvironment}": leave one of them out`;
  return [{ text, ...placeOf(['nodeId']) }];
}

function originOf(key: string, layers: Layers, derived: ReadonlyMap<string, string>, source: Source): Origin {
  if (key in layers.flags) return { kind: 'flag' };
  if (key in layers.file) return { kind: 'file', ...source.placeOf([key]) };
  if (key in layers.environment) return { kind: 'environment' };
  const of = derived.get(key);
  return of === undefined ? { kind: 'default' } : { kind: 'derived', of };
}
