/** A whole simulated cluster: brokers, routers, clients. */
import { type NodeId, nodeId } from '../../../src/raft/types.ts';
import { readingTheLatest } from '../workload/linearizable.ts';
import { Operator } from '../workload/operating.ts';
import { createTopic } from '../workload/preparing.ts';
import type { ProducingOptions } from '../workload/producing.ts';
import { producing } from '../workload/producing.ts';
import { following } from '../workload/reading.ts';
import { BrokerMachine } from './broker-machine.ts';
import { ClientMachine } from './client-machine.ts';
import { brokerAddress, names, nodeNames } from './names.ts';
import { RouterMachine } from './router-machine.ts';
import type { World } from './world.ts';

export class SimCluster {
  readonly brokers: readonly BrokerMachine[];
  readonly routers: readonly RouterMachine[];
  readonly producers: readonly ClientMachine[];
  readonly readers: readonly ClientMachine[];
  readonly preparer: ClientMachine;
  readonly operator = new Operator();
  readonly operatorMachine: ClientMachine;
  readonly routerAddresses: readonly string[];

  constructor(world: World) {
    const { weather } = world;
    const all = nodeNames(weather.nodes + weather.spares).map((id) => ({ id, address: brokerAddress(id) }));
    const founders = all.slice(0, weather.nodes);
    this.routers = names('r', weather.routers).map((host) => new RouterMachine(host, world));
    this.routerAddresses = this.routers.map(({ address }) => address);
    this.brokers = all.map((self) => {
      const known = founders.includes(self) ? founders : [...founders, self];
      return new BrokerMachine(nodeId(self.id), world, known, this.routerAddresses);
    });
    const client = (host: string, program: ConstructorParameters<typeof ClientMachine>[3]): ClientMachine =>
      new ClientMachine(host, world, this.routerAddresses, program);
    const options: ProducingOptions = weather;
    this.producers = names('p', weather.producers).map((host) => client(host, producing(options)));
    this.readers = [
      ...names('c', weather.readers).map((host) => client(host, following)),
      ...names('l', weather.latestReaders).map((host) => client(host, readingTheLatest(weather.queues))),
    ];
    this.operatorMachine = client('op', this.operator.program);
    this.preparer = client('setup', (context) => createTopic(context, weather.queues));
  }

  broker(id: NodeId): BrokerMachine | undefined {
    return this.brokers.find((broker) => broker.id === id);
  }

  get hosts(): readonly string[] {
    return [...this.brokers, ...this.routers, ...this.producers, ...this.readers].map(({ host }) => host);
  }

  get clients(): readonly ClientMachine[] {
    return [...this.producers, ...this.readers];
  }
}
