/** The serving side of the simulated transport. */
import { withResolvers } from '../../../src/base/with-resolvers.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { Handler } from '../../../src/rpc/handlers.ts';
import type { MessageStream, StreamEvents } from '../../../src/rpc/stream.ts';
import type { HostedService, RpcServer } from '../../../src/rpc/transport.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { type ClientCall, type HostedMethod, ServerCall } from './calls.ts';
import type { Connection } from './connection.ts';

/** Who listens where. */
export interface ServerRegistry {
  server(address: string): SimServer | undefined;
  closed(server: SimServer): void;
}

export class SimServer implements RpcServer {
  readonly port: number;
  readonly address: string;
  readonly process: SimProcess;
  readonly #registry: ServerRegistry;
  readonly #methods = new Map<string, HostedMethod>();
  readonly #calls = new Set<ServerCall>();
  #idle: (() => void) | undefined;
  serving = false;

  constructor(registry: ServerRegistry, process: SimProcess, address: string, services: readonly HostedService[]) {
    this.#registry = registry;
    this.process = process;
    this.address = address;
    this.port = Number(address.slice(address.lastIndexOf(':') + 1));
    for (const { definition, handlers } of services) {
      for (const [name, method] of Object.entries(definition)) {
        const handler = handlers[name];
        if (handler !== undefined)
          this.#methods.set(method.path, { handler, decode: method.requestDeserialize, encode: method.responseSerialize });
      }
    }
  }

  setServing(serving: boolean): void {
    this.serving = serving;
  }

  async close(graceMs: number): Promise<void> {
    this.serving = false;
    this.#registry.closed(this);
    const connections = new Set([...this.#calls].map(({ connection }) => connection));
    if (this.#calls.size > 0) {
      const { promise, resolve } = withResolvers<void>();
      this.#idle = resolve;
      const timer = this.process.clock.after(graceMs, () => {
        for (const call of [...this.#calls]) call.close(new LograftError('UNREACHABLE', 'the server shuts down'));
      });
      await promise;
      timer.cancel();
    }
    for (const connection of connections) connection.close('server');
  }

  /** A call is on its way here. */
  begin(client: ClientCall, connection: Connection, host: string): ServerCall {
    const call = new ServerCall(this, client, connection, host);
    connection.deliver('server', () => this.#open(call, client.path));
    return call;
  }

  lost(connection: Connection): void {
    for (const call of [...this.#calls]) if (call.connection === connection) call.cancelled();
  }

  callEnded(call: ServerCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#idle?.();
  }

  #open(call: ServerCall, path: string): void {
    if (call.ended) return;
    const method = this.#methods.get(path);
    if (method === undefined) return call.close(new LograftError('INTERNAL', `no method ${path}`));
    this.#calls.add(call);
    const { handler } = method;
    if (handler.kind === 'duplex') openDuplex(call, method, handler);
    else if (handler.kind === 'unary') answerUnary(call, method, handler);
    else answerStream(call, method, handler);
  }
}

function openDuplex(call: ServerCall, method: HostedMethod, handler: Extract<Handler, { kind: 'duplex' }>): void {
  let events: StreamEvents<unknown> | undefined;
  let told = false;
  const finish = (error: unknown): void => {
    if (told) return;
    told = true;
    events?.onEnd(error);
  };
  const stream: MessageStream<unknown> = {
    write: (message) => (told ? true : call.write(message)),
    pause: () => call.inflow.pause(),
    resume: () => call.inflow.resume(),
    end: () => call.close(undefined),
    cancel: (error) => {
      call.close(error ?? new LograftError('INTERNAL', 'cancelled'));
      finish(error);
    },
  };
  call.begin(method, {
    onMessage: (message) => {
      if (!told) events?.onMessage(message);
    },
    onHalfClose: () => finish(undefined),
    onGone: () => finish(new LograftError('CANCELLED', `the caller ${call.context.peer} is gone`)),
    onDrain: () => {
      if (!told) events?.onDrain?.();
    },
  });
  events = handler.open(stream, call.context);
}

function answerUnary(call: ServerCall, method: HostedMethod, handler: Extract<Handler, { kind: 'unary' }>): void {
  call.begin(method, {
    onMessage: (request) => {
      (async () => handler.handle(request, call.context))().then(
        (response) => {
          call.write(response);
          call.close(undefined);
        },
        (error) => call.close(error),
      );
    },
    onHalfClose: () => {},
    onGone: () => {},
    onDrain: () => {},
  });
}

function answerStream(call: ServerCall, method: HostedMethod, handler: Extract<Handler, { kind: 'serverStream' }>): void {
  let drained: (() => void) | undefined;
  call.begin(method, {
    onMessage: (request) => {
      const pump = async (): Promise<void> => {
        for await (const message of handler.handle(request, call.context)) {
          if (call.ended) return;
          if (call.write(message)) continue;
          await new Promise<void>((resolve) => {
            drained = resolve;
          });
        }
        call.close(undefined);
      };
      pump().catch((error) => call.close(error));
    },
    onHalfClose: () => {},
    onGone: () => drained?.(),
    onDrain: () => drained?.(),
  });
}
