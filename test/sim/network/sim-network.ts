/** The simulated network: hosts by name, servers by address. */
import type { Transport } from '../../../src/rpc/transport.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { Links } from './links.ts';
import { SimChannel } from './sim-channel.ts';
import { type ServerRegistry, SimServer } from './sim-server.ts';

export class SimNetwork extends Links implements ServerRegistry {
  readonly #servers = new Map<string, SimServer>();

  /** What one run of a program on a host gets. */
  transport(process: SimProcess, host: string): Transport {
    return {
      dial: (address) => new SimChannel(this, this, process, host, address),
      listen: async (address, services) => {
        const server = new SimServer(this, process, address, services);
        this.#servers.set(address, server);
        process.onDeath(() => this.closed(server));
        return server;
      },
    };
  }

  server(address: string): SimServer | undefined {
    return this.#servers.get(address);
  }

  closed(server: SimServer): void {
    if (this.#servers.get(server.address) === server) this.#servers.delete(server.address);
  }
}
