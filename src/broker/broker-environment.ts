import type { RaftConfig } from '../raft/config.ts';
import type { NodeId } from '../raft/types.ts';
import type { ReplicaObserver } from '../replica/replica-observer.ts';
import { type Environment, machine } from '../rpc/environment.ts';
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.ts';
import { nodeDisk } from '../storage/node-disk.ts';

/** What a broker finds around it: everything that a simulation replaces. */
export interface BrokerEnvironment extends Environment {
  openDirectory(dataDir: string, node: NodeId): Promise<DataDirectory>;
  readonly observe?: ((group: string) => ReplicaObserver) | undefined;
  /** Limits of consensus other than the usual ones: small ones bring about what happens once in a blue moon. */
  readonly raftLimits?: Partial<RaftConfig> | undefined;
  /** Of a snapshot that is fetched, in one answer. */
  readonly snapshotPieceBytes?: number | undefined;
  /** Of silence, until a member's disk may be lost. */
  readonly lostDiskAfterMs?: number | undefined;
}

export const brokerMachine: BrokerEnvironment = {
  ...machine,
  openDirectory: (dataDir, node) => openDataDirectory(nodeDisk, dataDir, node),
};
