/** A two-way stream of messages, the same seen from either end. */
import type { EventEmitter } from 'node:events';
import { assert } from '../base/assert.ts';

export interface StreamEvents<In> {
  onMessage(message: In): void;
  /** Called once. `error`: why it broke; undefined when the other side finished. A server may write on then: its answers are still due. */
  onEnd(error: unknown): void;
  /** What was written has left: write on after `write` gave false. */
  onDrain?(): void;
}

export interface MessageStream<Out> {
  /** False: too much is buffered, wait for `onDrain`. Ignored once the stream is over. */
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

/** How the two sides of a call differ. */
export interface StreamSide {
  /** A server's last word is the call's; a client that has finished waits for its answers. */
  readonly overWhenOtherFinishes: boolean;
  /** What an error of the call is to this side. */
  translate(error: unknown): unknown;
  cancel(error: unknown): void;
}

/** Ties a grpc-js duplex to `events`; whatever it emits last, `onEnd` is called once. */
export function attachStream<In, Out>(call: GrpcStream, events: StreamEvents<In>, side: StreamSide): MessageStream<Out> {
  let told = false;
  let over = false;
  const finish = (error: unknown): void => {
    over ||= side.overWhenOtherFinishes || error !== undefined;
    if (told) return;
    told = true;
    events.onEnd(error);
  };
  call.on('data', (message: In) => {
    if (!told) events.onMessage(message);
  });
  call.on('end', () => finish(undefined));
  call.on('error', (error) => finish(side.translate(error)));
  call.on('cancelled', () => finish(side.translate(undefined)));
  call.on('drain', () => {
    if (!over) events.onDrain?.();
  });
  assert(typeof call.write === 'function', 'a two-way stream can be written to');
  return {
    write: (message) => (over ? true : call.write(message)),
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    end: () => {
      over = true;
      call.end();
    },
    cancel: (error) => {
      over = true;
      side.cancel(error);
      finish(error);
    },
  };
}
