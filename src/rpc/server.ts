/** The serving side of a process: one port, its services, standard health and reflection. */
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { MAX_MESSAGE_BYTES } from './channel.ts';
import { openConnectionWindows, openStreamWindows } from './http2-windows.ts';
import { publicPackage } from './protos.ts';

// What goes wrong here is thrown and logged by its user; grpc-js would print a second, vaguer line of its own.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);

export interface HostedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Ties a definition to handlers, one for each of its calls. */
export function hostService<Definition extends object>(
  definition: Definition,
  implementation: { readonly [Name in keyof Definition]: UntypedServiceImplementation[string] },
): HostedService {
  return { definition: definition as unknown as ServiceDefinition, implementation };
}

/** The port is taken, or the host is not ours. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export class RpcServer {
  readonly #server: Server;
  readonly #health: HealthImplementation;
  /** The port in use: the one asked for, or the one the system chose for 0. */
  readonly port: number;

  private constructor(server: Server, health: HealthImplementation, port: number) {
    this.#server = server;
    this.#health = health;
    this.port = port;
  }

  /** Listens on "host:port". Health says NOT_SERVING until `setServing(true)`. */
  static async listen(address: string, services: readonly HostedService[]): Promise<RpcServer> {
    const server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
    });
    openStreamWindows(server);
    for (const { definition, implementation } of services) server.addService(definition, implementation);
    const health = new HealthImplementation({ '': 'NOT_SERVING' });
    health.addToServer(server);
    new ReflectionService(publicPackage as never).addToServer(server as never);
    const port = await bind(server, address);
    openConnectionWindows(server);
    return new RpcServer(server, health, port);
  }

  /** What grpc.health.v1 answers for the whole process (service name ''). */
  setServing(serving: boolean): void {
    this.#health.setStatus('', serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Takes no new calls, lets calls under way finish for at most `graceMs`, then ends them. */
  async close(graceMs: number): Promise<void> {
    this.setServing(false);
    const finished = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const timer = setTimeout(() => this.#server.forceShutdown(), graceMs);
    await finished;
    clearTimeout(timer);
  }
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) return resolve(port);
      const taken = /EADDRINUSE/.test(error.message);
      const why = taken ? 'the port is in use by another process: stop it or choose another port' : error.message;
      reject(new ListenError(`cannot listen on ${address}: ${why}`, { cause: error }));
    });
  });
}
