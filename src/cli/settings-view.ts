/** What `lograft config show` prints: every key of a broker, its value, and where that comes from. */
import type { BrokerConfig } from '../broker/broker-config.ts';
import { FLAG_OF } from './broker-flags.ts';
import { brokerSchema } from './config/broker-schema.ts';
import type { Accepted, Origin } from './config/examine.ts';
import { group } from './config/setting.ts';
import { renderTable } from './table.ts';

export interface SettingView {
  readonly value: unknown;
  readonly from: Origin['kind'];
  /** Of the file. */
  readonly line?: number;
  /** The file's own name for it: a RocketMQ key. */
  readonly key?: string;
  readonly flag?: string;
  /** The key that it is derived from. */
  readonly of?: string;
}

export type SettingsView = { readonly [Key in keyof BrokerConfig]: SettingView };

export function toSettingsView({ config, origins }: Accepted<BrokerConfig>): SettingsView {
  const keys = Object.keys(brokerSchema.shape) as (keyof BrokerConfig)[];
  return Object.fromEntries(keys.map((key) => [key, viewOf(key, config, origins.get(key) ?? { kind: 'default' })])) as SettingsView;
}

function viewOf(key: keyof BrokerConfig, config: BrokerConfig, origin: Origin): SettingView {
  const value = key === 'replicaFactor' && config.replicaFactor === 0 ? config.members.length : config[key];
  switch (origin.kind) {
    case 'flag':
      return { value, from: 'flag', flag: FLAG_OF[key] ?? '' };
    case 'file':
      return { value, from: 'file', ...(origin.line && { line: origin.line }), ...(origin.key && { key: origin.key }) };
    case 'derived':
      return { value, from: 'derived', of: origin.of };
    default:
      return { value, from: origin.kind };
  }
}

/** Ends without a newline. */
export function renderSettings(view: SettingsView): string {
  const rows = Object.entries(view).map(([key, setting]) => [key, valueInWords(setting.value), originInWords(setting)]);
  return renderTable(['key', 'value', 'from'], rows, { framed: true });
}

function valueInWords(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(itemInWords).join('\n');
  if (typeof value === 'number') return group(value);
  return value === '' ? 'none' : String(value);
}

function itemInWords(item: unknown): string {
  if (typeof item !== 'object' || item === null) return String(item);
  const { id, address } = item as { id: string; address: string };
  return `${id} ${address}`;
}

function originInWords({ from, line, key, flag, of }: SettingView): string {
  switch (from) {
    case 'file':
      return key === undefined ? `line ${line}` : `line ${line}, ${key}`;
    case 'flag':
      return flag ?? 'a flag';
    case 'environment':
      return 'LOGRAFT_NODE_ID';
    case 'derived':
      return `from ${of}`;
    case 'default':
      return 'default';
  }
}
