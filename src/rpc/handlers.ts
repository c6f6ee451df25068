/** The serving side of calls: plain functions of ours, wrapped for grpc-js. */
import { once } from 'node:events';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { LograftError, toStatus } from './error.ts';
import { attachStream, type MessageStream, type StreamEvents } from './stream.ts';

export interface CallContext {
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
  /** "host:port" of the caller. */
  readonly peer: string;
  /** First value of a metadata key; '' when absent. */
  metadata(name: string): string;
}

/** One request, one answer. A thrown LograftError becomes the call's status. */
export function unary<In, Out>(handler: (request: In, context: CallContext) => Promise<Out> | Out): handleUnaryCall<In, Out> {
  return (call, callback) => {
    const context = makeContext(call);
    // The async wrapper turns a synchronous throw into the same rejection.
    (async () => handler(call.request, context))().then(
      (response) => callback(null, response),
      (error) => callback(toStatus(error)),
    );
  };
}

/** One request, many answers, at the pace the caller reads them. */
export function serverStream<In, Out>(
  handler: (request: In, context: CallContext) => AsyncIterable<Out>,
): handleServerStreamingCall<In, Out> {
  return (call) => {
    const context = makeContext(call);
    pump(call, handler(call.request, context), context.signal).catch((error) => {
      if (!context.signal.aborted) call.emit('error', toStatus(error));
    });
  };
}

async function pump<In, Out>(
  call: ServerWritableStream<In, Out>,
  messages: AsyncIterable<Out>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, 'drain', { signal });
  }
  call.end();
}

/** Many requests, many answers. `open` gets the stream to answer on and gives what handles its events. */
export function duplex<In, Out>(
  open: (stream: MessageStream<Out>, context: CallContext) => StreamEvents<In>,
): handleBidiStreamingCall<In, Out> {
  return (call: ServerDuplexStream<In, Out>) => {
    const context = makeContext(call);
    let events: StreamEvents<In> | undefined;
    const stream = attachStream<In, Out>(
      call,
      {
        onMessage: (message) => events?.onMessage(message),
        onEnd: (error) => events?.onEnd(error),
        onDrain: () => events?.onDrain?.(),
      },
      (error) => new LograftError('CANCELLED', `the caller ${context.peer} is gone`, { cause: error }),
      (error) => call.emit('error', toStatus(error)),
    );
    events = open(stream, context);
  };
}

interface ServerCall {
  readonly metadata: Metadata;
  getPeer(): string;
  on(event: 'cancelled', listener: () => void): unknown;
}

function makeContext(call: ServerCall): CallContext {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  return {
    signal: controller.signal,
    peer: call.getPeer(),
    metadata: (name) => String(call.metadata.get(name)[0] ?? ''),
  };
}
