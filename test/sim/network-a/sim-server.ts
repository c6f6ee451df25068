/** The serving side of the simulated transport. */
import { withResolvers } from '../../../src/base/with-resolvers.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { Error as ErrorMessage } from '../../../src/rpc/generated/lograft/v1/Error.ts';
import type { CallContext, Handler } from '../../../src/rpc/handlers.ts';
import type { MessageStream, StreamEvents } from '../../../src/rpc/stream.ts';
import type { HostedService, RpcServer } from '../../../src/rpc/transport.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { Connection } from './connection.ts';
import { Inflow, Outflow } from './flow.ts';
import type { ClientCall } from './sim-channel.ts';
import type { SimNetwork } from './sim-network.ts';

interface Method {
  readonly handler: Handler;
  readonly decode: (bytes: Buffer) => unknown;
  readonly encode: (message: unknown) => Buffer;
}

interface ServerEvents {
  onMessage(message: unknown): void;
  /** The caller finished its side. */
  onHalfClose(): void;
  /** The caller is gone. */
  onGone(): void;
  onDrain(): void;
}

/** One call, seen from the server. */
export class ServerCall {
  readonly inflow: Inflow;
  readonly outflow: Outflow;
  readonly connection: Connection;
  readonly #client: ClientCall;
  readonly #server: SimServer;
  readonly #abort = new AbortController();
  readonly context: CallContext;
  #method: Method | undefined;
  #events: ServerEvents | undefined;
  ended = false;

  constructor(server: SimServer, client: ClientCall, connection: Connection, host: string) {
    this.#server = server;
    this.#client = client;
    this.connection = connection;
    this.outflow = new Outflow(() => {
      if (!this.ended) this.#events?.onDrain();
    });
    this.inflow = new Inflow(
      (bytes) => {
        if (!this.ended) this.#events?.onMessage(this.#method?.decode(bytes));
      },
      () => {
        if (!this.ended) this.#events?.onHalfClose();
      },
      (bytes) => connection.deliver('client', () => client.outflow.wasRead(bytes)),
    );
    this.context = {
      signal: this.#abort.signal,
      peer: `${host}:40000`,
      metadata: (name) => client.metadata[name] ?? '',
    };
  }

  begin(method: Method, events: ServerEvents): void {
    this.#method = method;
    this.#events = events;
  }

  write(message: unknown): boolean {
    if (this.ended || this.#method === undefined) return true;
    const bytes = this.#method.encode(message);
    const room = this.outflow.wrote(bytes.length);
    this.connection.deliver('client', () => this.#client.inflow.arrived(bytes));
    return room;
  }

  /** The last word. */
  close(error: unknown): void {
    if (this.ended) return;
    this.#finish();
    const status = error === undefined ? undefined : asReceived(error);
    this.connection.deliver('client', () => this.#client.closed(status));
  }

  /** Word came that the caller has given up, or its connection is gone. */
  cancelled(): void {
    if (this.ended) return;
    this.#finish();
    this.#abort.abort();
    this.#events?.onGone();
  }

  #finish(): void {
    this.ended = true;
    this.#server.callEnded(this);
  }
}

export class SimServer implements RpcServer {
  readonly port: number;
  readonly address: string;
  readonly process: SimProcess;
  readonly #network: SimNetwork;
  readonly #methods = new Map<string, Method>();
  readonly #calls = new Set<ServerCall>();
  #idle: (() => void) | undefined;
  serving = false;

  constructor(network: SimNetwork, process: SimProcess, address: string, services: readonly HostedService[]) {
    this.#network = network;
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
    this.#network.closed(this);
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

function openDuplex(call: ServerCall, method: Method, handler: Extract<Handler, { kind: 'duplex' }>): void {
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

function answerUnary(call: ServerCall, method: Method, handler: Extract<Handler, { kind: 'unary' }>): void {
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

function answerStream(call: ServerCall, method: Method, handler: Extract<Handler, { kind: 'serverStream' }>): void {
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

/** What the other side makes of an error: only what travels. */
function asReceived(error: unknown): LograftError {
  const known = error instanceof LograftError ? error : new LograftError('INTERNAL', `internal error: ${String(error)}`);
  const message: ErrorMessage = known.toMessage();
  if (message.reason !== 0) return LograftError.fromMessage(message);
  const reasons: Readonly<Record<number, 'UNREACHABLE' | 'TIMED_OUT' | 'CANCELLED'>> = {
    14: 'UNREACHABLE',
    4: 'TIMED_OUT',
    1: 'CANCELLED',
  };
  return new LograftError(reasons[known.status] ?? 'INTERNAL', known.message);
}
