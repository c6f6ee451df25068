import { type Environment, machine } from '../rpc/environment.ts';
import type { Disk } from '../storage/disk.ts';
import { nodeDisk } from '../storage/node-disk.ts';

/** What a broker finds around it: everything that a simulation replaces. */
export interface BrokerEnvironment extends Environment {
  readonly disk: Disk;
}

export const brokerMachine: BrokerEnvironment = { ...machine, disk: nodeDisk };
