/** The two ends of one call. */
import type { Timer } from '../../../src/base/clock.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { Error as ErrorMessage } from '../../../src/rpc/generated/lograft/v1/Error.ts';
import type { CallContext, Handler } from '../../../src/rpc/handlers.ts';
import type { CallSettings } from '../../../src/rpc/transport.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { Connection } from './connection.ts';
import { Inflow, Outflow } from './flow.ts';

const PEER_STREAM = '/lograft.internal.v1.Peer/Deliver';

/** Where a call belongs, at either end. */
export interface CallOwner<Call> {
  readonly address: string;
  readonly process: SimProcess;
  callEnded(call: Call): void;
}

export interface ClientEvents {
  onMessage(bytes: Buffer): void;
  /** Once: the call is over. */
  onEnd(error: LograftError | undefined): void;
  onDrain(): void;
}

/** One call, seen from the caller. */
export class ClientCall {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inflow: Inflow;
  readonly outflow: Outflow;
  readonly #events: ClientEvents;
  readonly #channel: CallOwner<ClientCall>;
  #connection: Connection | undefined;
  #server: ServerCall | undefined;
  /** Before there is a connection. */
  #waiting: (() => void)[] = [];
  #status: LograftError | undefined;
  #timer: Timer | undefined;
  #release: (() => void) | undefined;
  ended = false;

  constructor(channel: CallOwner<ClientCall>, path: string, settings: CallSettings, events: ClientEvents) {
    this.#channel = channel;
    this.path = path;
    this.metadata = settings.metadata ?? {};
    this.#events = events;
    this.outflow = new Outflow(() => {
      if (!this.ended) events.onDrain();
    });
    this.inflow = new Inflow(
      (bytes) => {
        if (!this.ended) events.onMessage(bytes);
      },
      () => this.finish(this.#status),
      (bytes) => this.#connection?.deliver('server', () => this.#server?.outflow.wasRead(bytes)),
    );
    this.#limit(settings);
  }

  connected(connection: Connection, server: ServerCall): void {
    this.#connection = connection;
    this.#server = server;
    for (const task of this.#waiting.splice(0)) task();
  }

  write(bytes: Buffer): boolean {
    if (this.ended) return true;
    const room = this.outflow.wrote(bytes.length);
    this.#toServer(() => this.#server?.inflow.arrived(bytes), this.path === PEER_STREAM);
    return room;
  }

  halfClose(): void {
    if (!this.ended) this.#toServer(() => this.#server?.inflow.ended());
  }

  cancel(error: LograftError | undefined): void {
    if (this.ended) return;
    this.#toServer(() => this.#server?.cancelled());
    this.finish(error);
  }

  /** The server's last word arrived. */
  closed(status: LograftError | undefined): void {
    this.#status = status;
    this.inflow.ended();
  }

  finish(error: LograftError | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.#waiting = [];
    this.#timer?.cancel();
    this.#release?.();
    this.#channel.callEnded(this);
    this.#events.onEnd(error);
  }

  #toServer(task: () => void, loosely = false): void {
    const send = (): void => {
      if (loosely) this.#connection?.deliverLoosely('server', task);
      else this.#connection?.deliver('server', task);
    };
    if (this.#connection === undefined) this.#waiting.push(send);
    else send();
  }

  #limit({ timeoutMs, signal }: CallSettings): void {
    const { address } = this.#channel;
    if (timeoutMs !== undefined) {
      this.#timer = this.#channel.process.clock.after(timeoutMs, () =>
        this.cancel(new LograftError('TIMED_OUT', `${address}: no answer within ${timeoutMs} ms`)),
      );
    }
    if (signal === undefined) return;
    const abort = (): void => this.cancel(new LograftError('CANCELLED', `${address}: cancelled by the caller`));
    if (signal.aborted) queueMicrotask(abort);
    signal.addEventListener('abort', abort, { once: true });
    this.#release = () => signal.removeEventListener('abort', abort);
  }
}

export interface HostedMethod {
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
  readonly #server: CallOwner<ServerCall>;
  readonly context: CallContext;
  /** Made when the handler asks for its signal: most never do, and Node's signals are dear. */
  #abort: AbortController | undefined;
  #method: HostedMethod | undefined;
  #events: ServerEvents | undefined;
  #gone = false;
  ended = false;

  constructor(server: CallOwner<ServerCall>, client: ClientCall, connection: Connection, host: string) {
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
    const signal = (): AbortSignal => this.#signal;
    this.context = {
      get signal() {
        return signal();
      },
      peer: `${host}:40000`,
      metadata: (name) => client.metadata[name] ?? '',
    };
  }

  begin(method: HostedMethod, events: ServerEvents): void {
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
    this.#gone = true;
    this.#abort?.abort();
    this.#events?.onGone();
  }

  get #signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#gone) this.#abort.abort();
    return this.#abort.signal;
  }

  #finish(): void {
    this.ended = true;
    this.#server.callEnded(this);
  }
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
