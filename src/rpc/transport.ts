/** How processes reach each other. The machine's way is gRPC (`grpcTransport`); a simulation brings its own. */
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { Handler } from './handlers.ts';
import type { MessageStream, StreamEvents } from './stream.ts';

export interface Transport {
  /** A channel to "host:port". It connects by itself, and again when the connection breaks. */
  dial(address: string): Channel;
  /** Listens on "host:port". Rejects with ListenError. */
  listen(address: string, services: readonly HostedService[]): Promise<RpcServer>;
}

export interface CallSettings {
  /** Default: none for streams, 10 000 for single calls. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const DEFAULT_CALL_TIMEOUT_MS = 10_000;

// biome-ignore lint/suspicious/noExplicitAny: the two types of a method that the caller does not see
export type Method<In, Out> = MethodDefinition<In, any> & { readonly responseDeserialize: (bytes: Buffer) => Out };

/** The calling side: one connection to one address. */
export interface Channel {
  readonly address: string;
  /** One request, one answer. Rejects with a LograftError. */
  call<In, Out>(method: Method<In, Out>, request: In, settings?: CallSettings): Promise<Out>;
  /** One request, many answers. Leaving the loop cancels the call. */
  read<In, Out>(method: Method<In, Out>, request: In, settings?: CallSettings): AsyncGenerator<Out, void, undefined>;
  /** Many requests, many answers. `onEnd` gets a LograftError or undefined. */
  open<In, Out>(method: Method<In, Out>, events: StreamEvents<Out>, settings?: CallSettings): MessageStream<In>;
  /** Whether there is a connection at present. */
  readonly connected: boolean;
  close(): void;
}

/** A service and what answers its calls. */
export interface HostedService {
  readonly definition: ServiceDefinition;
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** Ties a definition to handlers, one for each of its calls. */
export function hostService<Definition extends object>(
  definition: Definition,
  handlers: { readonly [Name in keyof Definition]: Handler },
): HostedService {
  return { definition: definition as unknown as ServiceDefinition, handlers: handlers as Readonly<Record<string, Handler>> };
}

/** The serving side of a process: one port, its services, standard health and reflection. */
export interface RpcServer {
  /** The port in use: the one asked for, or the one the system chose for 0. */
  readonly port: number;
  /** What grpc.health.v1 answers for the whole process (service name ''). NOT_SERVING until told otherwise. */
  setServing(serving: boolean): void;
  /** Takes no new calls, lets calls under way finish for at most `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>;
}

/** The port is taken, or the host is not ours. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}
