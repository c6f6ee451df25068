/** A two-way stream of messages, the same seen from either end. */
import type { EventEmitter } from 'node:events';
import { assert } from '../base/assert.ts';

export interface StreamEvents<In> {
  onMessage(message: In): void;
  /** Called once. `error`: why it broke; undefined when the other side finished. */
  onEnd(error: unknown): void;
  /** What was written has left: write on after `write` gave false. */
  onDrain?(): void;
}

export interface MessageStream<Out> {
  /** False: too much is buffered, wait for `onDrain`. Ignored once the stream has ended. */
  write(message: Out): boolean;
  /** Stops `onMessage`, and by flow control the sender, until `resume`. */
  pause(): void;
  resume(): void;
  /** Finishes this side. */
  end(): void;
  /** Breaks the stream. */
  cancel(error: unknown): void;
}

interface GrpcStream extends EventEmitter {
  write(message: unknown): boolean;
  pause(): unknown;
  resume(): unknown;
  end(): unknown;
}

/** Ties a grpc-js duplex to `events`; whatever it emits last, `onEnd` is called once. */
export function attachStream<In, Out>(
  call: GrpcStream,
  events: StreamEvents<In>,
  translate: (error: unknown) => unknown,
  cancel: (error: unknown) => void,
): MessageStream<Out> {
  let ended = false;
  const finish = (error: unknown): void => {
    if (ended) return;
    ended = true;
    events.onEnd(error);
  };
  call.on('data', (message: In) => {
    if (!ended) events.onMessage(message);
  });
  call.on('end', () => finish(undefined));
  call.on('error', (error) => finish(translate(error)));
  call.on('cancelled', () => finish(translate(undefined)));
  call.on('drain', () => {
    if (!ended) events.onDrain?.();
  });
  assert(typeof call.write === 'function', 'a two-way stream can be written to');
  return {
    write: (message) => (ended ? true : call.write(message)),
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    end: () => void call.end(),
    cancel: (error) => {
      cancel(error);
      finish(error);
    },
  };
}
