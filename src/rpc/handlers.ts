/** The serving side of calls: plain functions of ours, whatever transport carries them. */
import type { MessageStream, StreamEvents } from './stream.ts';

export interface CallContext {
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
  /** "host:port" of the caller. */
  readonly peer: string;
  /** First value of a metadata key; '' when absent. */
  metadata(name: string): string;
}

export interface UnaryHandler {
  readonly kind: 'unary';
  handle(request: unknown, context: CallContext): unknown;
}

export interface ServerStreamHandler {
  readonly kind: 'serverStream';
  handle(request: unknown, context: CallContext): AsyncIterable<unknown>;
}

export interface DuplexHandler {
  readonly kind: 'duplex';
  open(stream: MessageStream<unknown>, context: CallContext): StreamEvents<unknown>;
}

export type Handler = UnaryHandler | ServerStreamHandler | DuplexHandler;

/** One request, one answer. A thrown LograftError becomes the call's status. */
export function unary<In, Out>(handle: (request: In, context: CallContext) => Promise<Out> | Out): UnaryHandler {
  return { kind: 'unary', handle: (request, context) => handle(request as In, context) };
}

/** One request, many answers, at the pace the caller reads them. */
export function serverStream<In, Out>(handle: (request: In, context: CallContext) => AsyncIterable<Out>): ServerStreamHandler {
  return { kind: 'serverStream', handle: (request, context) => handle(request as In, context) };
}

/** Many requests, many answers. `open` gets the stream to answer on and gives what handles its events. */
export function duplex<In, Out>(open: (stream: MessageStream<Out>, context: CallContext) => StreamEvents<In>): DuplexHandler {
  return {
    kind: 'duplex',
    open: (stream, context) => open(stream as MessageStream<Out>, context) as StreamEvents<unknown>,
  };
}
