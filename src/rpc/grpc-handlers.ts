/** Our handlers as grpc-js wants them. */
import { once } from 'node:events';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { unreachable } from '../base/assert.ts';
import { LograftError, toStatus } from './error.ts';
import type { CallContext, DuplexHandler, Handler, ServerStreamHandler, UnaryHandler } from './handlers.ts';
import { attachStream, type StreamEvents } from './stream.ts';

export function toImplementation(handlers: Readonly<Record<string, Handler>>): UntypedServiceImplementation {
  return Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, adapt(handler)]));
}

function adapt(handler: Handler): UntypedServiceImplementation[string] {
  switch (handler.kind) {
    case 'unary':
      return adaptUnary(handler);
    case 'serverStream':
      return adaptServerStream(handler);
    case 'duplex':
      return adaptDuplex(handler);
    default:
      return unreachable(handler);
  }
}

function adaptUnary(handler: UnaryHandler): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const context = makeContext(call);
    // The async wrapper turns a synchronous throw into the same rejection.
    (async () => handler.handle(call.request, context))().then(
      (response) => callback(null, response),
      (error) => callback(toStatus(error)),
    );
  };
}

function adaptServerStream(handler: ServerStreamHandler): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const context = makeContext(call);
    pump(call, handler.handle(call.request, context), context.signal).catch((error) => {
      if (!context.signal.aborted) call.emit('error', toStatus(error));
    });
  };
}

async function pump(
  call: ServerWritableStream<unknown, unknown>,
  messages: AsyncIterable<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, 'drain', { signal });
  }
  call.end();
}

function adaptDuplex(handler: DuplexHandler): handleBidiStreamingCall<unknown, unknown> {
  return (call) => {
    const context = makeContext(call);
    let events: StreamEvents<unknown> | undefined;
    const stream = attachStream<unknown, unknown>(
      call,
      {
        onMessage: (message) => events?.onMessage(message),
        onEnd: (error) => events?.onEnd(error),
        onDrain: () => events?.onDrain?.(),
      },
      {
        overWhenOtherFinishes: false,
        translate: (error) => new LograftError('CANCELLED', `the caller ${context.peer} is gone`, { cause: error }),
        cancel: (error) => call.emit('error', toStatus(error)),
      },
    );
    events = handler.open(stream, context);
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
