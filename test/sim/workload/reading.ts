import { sleep } from '../../../src/base/sleep.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { ProgramContext } from './program.ts';
import { TOPIC } from './program.ts';

/** Reads every queue from its beginning and follows it, for ever. */
export async function following(context: ProgramContext): Promise<void> {
  for (;;) {
    for (let queue = 0; queue < 64; queue += 1) context.oracle.readingFrom(context.name, queue, context.firstOffset);
    try {
      for await (const { queue, offset, value } of context.client.reader({ topic: TOPIC, from: 'earliest' })) {
        context.guard(() => context.oracle.read(context.name, { queue, offset }, serialOf(value)));
      }
    } catch (error) {
      await afterFailure(error, context);
    }
  }
}

/** Reads all there is, once. Resolves when it was read to its end. */
export async function readAll(context: ProgramContext): Promise<void> {
  for (;;) {
    for (let queue = 0; queue < 64; queue += 1) context.oracle.readingFrom(context.name, queue, context.firstOffset);
    try {
      for await (const { queue, offset, value } of context.client.reader({ topic: TOPIC, from: 'earliest', untilEnd: true })) {
        context.guard(() => context.oracle.read(context.name, { queue, offset }, serialOf(value)));
      }
      return;
    } catch (error) {
      await afterFailure(error, context);
    }
  }
}

async function afterFailure(error: unknown, context: ProgramContext): Promise<void> {
  context.guard(() => {
    if (!(error instanceof LograftError) || error.reason === 'INTERNAL' || error.reason === 'OFFSET_OUT_OF_RANGE') throw error;
  });
  await sleep(context.clock, 100);
}

function serialOf(value: Uint8Array): string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  return text.slice(0, text.indexOf(' '));
}
