/** The serving side over grpc-js. */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { MAX_MESSAGE_BYTES } from './grpc-channel.ts';
import { toImplementation } from './grpc-handlers.ts';
import { openConnectionWindows, openStreamWindows } from './http2-windows.ts';
import { publicPackage } from './protos.ts';
import { type HostedService, ListenError, type RpcServer } from './transport.ts';

// What goes wrong here is thrown and logged by its user; grpc-js would print a second, vaguer line of its own.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);

export class GrpcServer implements RpcServer {
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly port: number;

  private constructor(server: Server, health: HealthImplementation, port: number) {
    this.#server = server;
    this.#health = health;
    this.port = port;
  }

  static async listen(address: string, services: readonly HostedService[]): Promise<GrpcServer> {
    const server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
    });
    openStreamWindows(server);
    for (const { definition, handlers } of services) server.addService(definition, toImplementation(handlers));
    const health = new HealthImplementation({ '': 'NOT_SERVING' });
    health.addToServer(server);
    new ReflectionService(publicPackage as never).addToServer(server as never);
    const port = await bind(server, address);
    openConnectionWindows(server);
    return new GrpcServer(server, health, port);
  }

  setServing(serving: boolean): void {
    this.#health.setStatus('', serving ? 'SERVING' : 'NOT_SERVING');
  }

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
