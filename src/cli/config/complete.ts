/** What a node takes from its keys for those that were left out. */
import { resolve } from 'node:path';
import { BROKER_DEFAULTS, type BrokerConfig } from '../../broker/broker-config.ts';
import { allInterfaces, isWildcard, portOf } from './address.ts';
import type { BrokerFile } from './broker-schema.ts';

type Key = keyof BrokerConfig;

export interface Completed {
  readonly config: BrokerConfig;
  /** The key that each value which was not given comes from. */
  readonly derived: ReadonlyMap<Key, Key>;
}

export function complete(file: BrokerFile): Completed {
  const own = file.members.find(({ id }) => id === file.nodeId)?.address;
  // Without an entry of its own nothing starts, whatever it would listen on.
  const listen = file.listen ?? (own === undefined ? '' : allInterfaces(own));
  const reachedAt = own !== undefined && isWildcard(listen) && portOf(listen) === portOf(own) ? own : listen;
  const derived = new Map<Key, Key>();
  if (file.listen === undefined) derived.set('listen', 'members');
  if (file.advertise === undefined) derived.set('advertise', reachedAt === own ? 'members' : 'listen');
  if (file.replicaFactor === undefined) derived.set('replicaFactor', 'members');
  const config = {
    ...file,
    listen,
    advertise: file.advertise ?? reachedAt,
    dataDir: resolve(file.dataDir),
    replicaFactor: file.replicaFactor ?? BROKER_DEFAULTS.replicaFactor,
  };
  return { config, derived };
}
