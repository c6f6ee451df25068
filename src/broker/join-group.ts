/** Before a node takes part in its group, it must know what the group was founded with; a new one has to ask. */
import type { Logger } from 'pino';
import { type Configuration, decodeConfiguration, encodeConfiguration } from '../raft/configuration.ts';
import { type NodeId, nodeId } from '../raft/types.ts';
import { learnFounding } from '../replica/founding.ts';
import type { RpcNetwork } from '../replica/rpc-network.ts';
import type { Environment } from '../rpc/environment.ts';
import { AdminService, LogService } from '../rpc/protos.ts';
import type { DataDirectory } from '../storage/data-directory.ts';
import type { BrokerConfig } from './broker-config.ts';
import { notYet } from './not-yet.ts';

/** Resolves when the group is founded, however long that takes: until then this node answers those who ask who it is, and nothing else. */
export async function joinGroup(
  config: BrokerConfig,
  storage: DataDirectory,
  network: RpcNetwork,
  environment: Environment,
  log: Logger,
): Promise<Configuration> {
  const stored = await storage.founding.read();
  const founding = stored === undefined ? await askAround(config, storage, network, environment, log) : decodeConfiguration(stored);
  const encoded = encodeConfiguration(founding);
  if (stored === undefined) await storage.founding.write(encoded);
  network.founding = encoded;
  return founding;
}

async function askAround(
  config: BrokerConfig,
  storage: DataDirectory,
  network: RpcNetwork,
  environment: Environment,
  log: Logger,
): Promise<Configuration> {
  const self: NodeId = nodeId(config.nodeId);
  const members = config.members.map(({ id, address }) => ({ id: nodeId(id), address }));
  const disk = storage.identity.diskId;
  const services = [network.service, notYet(LogService, self), notYet(AdminService, self)];
  const server = await environment.transport.listen(config.listen, services);
  try {
    const founding = await learnFounding({ self, disk, group: config.group, members, environment, log });
    const mine = founding.members.find(({ id }) => id === self);
    if (mine === undefined) log.info('this node was not there when the group was founded: it waits to be added');
    else if (mine.disk !== disk) {
      const advice = 'The group takes it back, as a learner first. If that is switched off (replaceLostDisks)';
      const command = `lograft group replace-member ${self}`;
      log.warn({ disk, foundedWith: mine.disk }, `this node was founded with another disk: it has no vote. ${advice}: ${command}`);
    }
    return founding;
  } finally {
    await server.close(0);
  }
}
