/** The calling side over grpc-js: one connection to one address, kept alive and re-made by itself. */
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { withResolvers } from '../base/with-resolvers.ts';
import { fromServiceError, LograftError } from './error.ts';
import { CONNECTION_WINDOW_BYTES } from './http2-windows.ts';
import { attachStream, type MessageStream, type StreamEvents } from './stream.ts';
import { type CallSettings, type Channel, DEFAULT_CALL_TIMEOUT_MS, type Method } from './transport.ts';

/** Largest message taken or sent, bytes. Above the largest batch by room for many small ones. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc-node.flow_control_window': CONNECTION_WINDOW_BYTES,
  // A dead peer is asked for again soon: fail-over must not wait for a back-off made for the open internet.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.enable_retries': 0,
  // Own connection per channel: the lanes between peers must not share one.
  'grpc.use_local_subchannel_pool': 1,
};

export class GrpcChannel implements Channel {
  readonly address: string;
  readonly #client: Client;

  constructor(address: string) {
    this.address = address;
    this.#client = new Client(address, credentials.createInsecure(), OPTIONS);
  }

  call<In, Out>(method: Method<In, Out>, request: In, settings: CallSettings = {}): Promise<Out> {
    const { promise, resolve, reject } = withResolvers<Out>();
    const options = callOptions({ timeoutMs: DEFAULT_CALL_TIMEOUT_MS, ...settings });
    const call = this.#client.makeUnaryRequest<In, Out>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      toMetadata(settings),
      options,
      (error, response) => (error ? reject(fromServiceError(error, this.address)) : resolve(response as Out)),
    );
    const release = onAbort(settings.signal, () => call.cancel());
    return promise.finally(release);
  }

  async *read<In, Out>(method: Method<In, Out>, request: In, settings: CallSettings = {}): AsyncGenerator<Out, void, undefined> {
    const call: ClientReadableStream<Out> = this.#client.makeServerStreamRequest<In, Out>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      toMetadata(settings),
      callOptions(settings),
    );
    const release = onAbort(settings.signal, () => call.cancel());
    try {
      for await (const message of call) yield message as Out;
    } catch (error) {
      throw fromServiceError(error as ServiceError, this.address);
    } finally {
      release();
      call.cancel();
    }
  }

  open<In, Out>(method: Method<In, Out>, events: StreamEvents<Out>, settings: CallSettings = {}): MessageStream<In> {
    const call = this.#client.makeBidiStreamRequest<In, Out>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      toMetadata(settings),
      callOptions(settings),
    );
    const release = onAbort(settings.signal, () => call.cancel());
    return attachStream<Out, In>(
      call,
      {
        ...events,
        onMessage: (message) => events.onMessage(message),
        onEnd: (error) => {
          release();
          events.onEnd(error);
        },
      },
      {
        overWhenOtherFinishes: true,
        translate: (error) => fromServiceError(error as ServiceError, this.address),
        cancel: () => call.cancel(),
      },
    );
  }

  /** Resolves when connected; rejects after `timeoutMs`. */
  waitUntilReady(timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = withResolvers<void>();
    this.#client.waitForReady(Date.now() + timeoutMs, (error) =>
      error
        ? reject(new LograftError('UNREACHABLE', `${this.address}: no connection within ${timeoutMs} ms`, { cause: error }))
        : resolve(),
    );
    return promise;
  }

  get connected(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  close(): void {
    this.#client.close();
  }
}

function callOptions(settings: CallSettings): CallOptions {
  return settings.timeoutMs === undefined ? {} : { deadline: Date.now() + settings.timeoutMs };
}

function toMetadata(settings: CallSettings): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(settings.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

/** Calls `act` when the signal aborts; gives what takes the listener off again, so that a long-lived signal gathers none. */
function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) queueMicrotask(act);
  signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}
