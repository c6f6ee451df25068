/** The calling side of the simulated transport. */
import { withResolvers } from '../../../src/base/with-resolvers.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { MessageStream, StreamEvents } from '../../../src/rpc/stream.ts';
import { type CallSettings, type Channel, DEFAULT_CALL_TIMEOUT_MS, type Method } from '../../../src/rpc/transport.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { ClientCall, type ClientEvents } from './calls.ts';
import { Connection } from './connection.ts';
import type { Links } from './links.ts';
import type { ServerRegistry } from './sim-server.ts';

const CONNECT_TIMEOUT_MS = 20_000;
const RETRY_UNREACHABLE_MS = 200;
const FIRST_BACK_OFF_MS = 100;
const LAST_BACK_OFF_MS = 1_000;

type State =
  | { readonly type: 'idle' }
  | { readonly type: 'connecting' }
  | { readonly type: 'connected'; readonly connection: Connection }
  /** Nobody listened: calls fail at once until it is tried again. */
  | { readonly type: 'backingOff'; readonly error: LograftError };

export class SimChannel implements Channel {
  readonly address: string;
  readonly process: SimProcess;
  readonly #network: Links;
  readonly #servers: ServerRegistry;
  readonly #host: string;
  readonly #calls = new Set<ClientCall>();
  #state: State = { type: 'idle' };
  #backOffMs = FIRST_BACK_OFF_MS;
  #closed = false;

  constructor(network: Links, servers: ServerRegistry, process: SimProcess, host: string, address: string) {
    this.#network = network;
    this.#servers = servers;
    this.process = process;
    this.#host = host;
    this.address = address;
  }

  get connected(): boolean {
    return this.#state.type === 'connected';
  }

  async call<In, Out>(method: Method<In, Out>, request: In, settings: CallSettings = {}): Promise<Out> {
    const { promise, resolve, reject } = withResolvers<Out>();
    let answer: Out | undefined;
    const call = this.#start(
      method.path,
      { timeoutMs: DEFAULT_CALL_TIMEOUT_MS, ...settings },
      {
        onMessage: (bytes) => {
          answer = method.responseDeserialize(bytes);
        },
        onEnd: (error) => {
          if (error !== undefined) reject(error);
          else if (answer === undefined) reject(new LograftError('INTERNAL', `${this.address}: no answer`));
          else resolve(answer);
        },
        onDrain: () => {},
      },
    );
    call.write(method.requestSerialize(request));
    call.halfClose();
    return promise;
  }

  async *read<In, Out>(method: Method<In, Out>, request: In, settings: CallSettings = {}): AsyncGenerator<Out, void, undefined> {
    const ready: Out[] = [];
    let over: { readonly error: LograftError | undefined } | undefined;
    let wake: (() => void) | undefined;
    const call = this.#start(method.path, settings, {
      onMessage: (bytes) => {
        ready.push(method.responseDeserialize(bytes));
        call.inflow.pause();
        wake?.();
      },
      onEnd: (error) => {
        over = { error };
        wake?.();
      },
      onDrain: () => {},
    });
    call.write(method.requestSerialize(request));
    call.halfClose();
    try {
      for (;;) {
        const message = ready.shift();
        if (message !== undefined) {
          yield message;
          continue;
        }
        if (over !== undefined) {
          if (over.error !== undefined) throw over.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          call.inflow.resume();
          if (ready.length > 0 || over !== undefined) resolve();
        });
      }
    } finally {
      call.cancel(undefined);
    }
  }

  open<In, Out>(method: Method<In, Out>, events: StreamEvents<Out>, settings: CallSettings = {}): MessageStream<In> {
    const call = this.#start(method.path, settings, {
      onMessage: (bytes) => events.onMessage(method.responseDeserialize(bytes)),
      onEnd: (error) => events.onEnd(error),
      onDrain: () => events.onDrain?.(),
    });
    return {
      write: (message) => (call.ended ? true : call.write(method.requestSerialize(message))),
      pause: () => call.inflow.pause(),
      resume: () => call.inflow.resume(),
      end: () => call.halfClose(),
      cancel: (error) => call.cancel(error as LograftError | undefined),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of [...this.#calls]) call.cancel(new LograftError('CANCELLED', `${this.address}: the channel was closed`));
    if (this.#state.type === 'connected') this.#state.connection.close('client');
    this.#state = { type: 'idle' };
  }

  callEnded(call: ClientCall): void {
    this.#calls.delete(call);
  }

  #start(path: string, settings: CallSettings, events: ClientEvents): ClientCall {
    const call = new ClientCall(this, path, settings, events);
    this.#calls.add(call);
    const state = this.#state;
    if (this.#closed) this.#failSoon(call, new LograftError('UNREACHABLE', `${this.address}: the channel is closed`));
    else if (state.type === 'backingOff') this.#failSoon(call, state.error);
    else if (state.type === 'connected') this.#attach(call, state.connection);
    else if (state.type === 'idle') this.#connect();
    return call;
  }

  #failSoon(call: ClientCall, error: LograftError): void {
    this.process.clock.soon(() => call.finish(error));
  }

  #connect(): void {
    this.#state = { type: 'connecting' };
    this.#tryConnect(this.#network.scheduler.nowMs);
  }

  #tryConnect(sinceMs: number): void {
    const network = this.#network;
    const host = this.address.slice(0, this.address.lastIndexOf(':'));
    const reachable = network.reaches(this.#host, host) && network.reaches(host, this.#host);
    const delayMs = reachable ? 2 * network.latencyMs() : RETRY_UNREACHABLE_MS;
    network.after(delayMs, 'connect', () =>
      this.process.deliver(() => {
        if (this.#closed || this.#state.type !== 'connecting') return;
        if (reachable) return this.#arrived(host);
        if (network.scheduler.nowMs - sinceMs < CONNECT_TIMEOUT_MS) return this.#tryConnect(sinceMs);
        this.#refused(`connect ETIMEDOUT ${this.address}`);
      }),
    );
  }

  #arrived(host: string): void {
    const server = this.#servers.server(this.address);
    if (server === undefined || !server.process.alive) return this.#refused(`connect ECONNREFUSED ${this.address}`);
    const connection: Connection = new Connection(
      this.#network,
      { host: this.#host, process: this.process },
      { host, process: server.process },
      {
        broken: (side, why) => {
          if (side === 'client') this.#lost(connection, why);
          else server.lost(connection);
        },
      },
    );
    this.#backOffMs = FIRST_BACK_OFF_MS;
    this.#state = { type: 'connected', connection };
    for (const call of [...this.#calls]) this.#attach(call, connection);
  }

  #attach(call: ClientCall, connection: Connection): void {
    const server = this.#servers.server(this.address);
    if (server === undefined) return this.#failSoon(call, this.#unreachable('the server is gone'));
    const serverCall = server.begin(call, connection, this.#host);
    call.connected(connection, serverCall);
  }

  #lost(connection: Connection, why: string): void {
    if (this.#state.type !== 'connected' || this.#state.connection !== connection) return;
    this.#state = { type: 'idle' };
    for (const call of [...this.#calls]) call.finish(this.#unreachable(why));
  }

  #refused(why: string): void {
    const error = this.#unreachable(`No connection established. Last error: ${why}`);
    const state: State = { type: 'backingOff', error };
    this.#state = state;
    this.process.clock.after(this.#backOffMs, () => {
      if (this.#state === state) this.#state = { type: 'idle' };
    });
    this.#backOffMs = Math.min(LAST_BACK_OFF_MS, this.#backOffMs * 1.6);
    for (const call of [...this.#calls]) call.finish(error);
  }

  #unreachable(why: string): LograftError {
    return new LograftError('UNREACHABLE', `${this.address}: ${why}`);
  }
}
