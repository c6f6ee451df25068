import { sleep } from '../../../src/base/sleep.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { ProgramContext } from './program.ts';
import { TOPIC } from './program.ts';

export interface ProducingOptions {
  readonly meanPauseMs: number;
  readonly maxRecordBytes: number;
  readonly maxBurst: number;
  readonly deliveryTimeoutMs: number;
  readonly maxInFlightBatches: number;
}

/** Sends records in bursts, without waiting for answers, until told to close; then waits for all of them. */
export function producing(options: ProducingOptions) {
  return async (context: ProgramContext): Promise<void> => {
    const { client, clock, random, name } = context;
    const { deliveryTimeoutMs, maxInFlightBatches } = options;
    const producer = client.producer({
      lingerMs: random.pick([0, 1, 5]),
      batchBytes: 2_048,
      deliveryTimeoutMs,
      maxInFlightBatches,
    });
    const open = new Set<string>();
    context.onDeath(() =>
      context.guard(() => {
        for (const serial of open) context.oracle.failed(serial);
      }),
    );
    let number = 0;
    const send = (): void => {
      const serial = context.guard(() => context.oracle.sending(name, number));
      number += 1;
      open.add(serial);
      const padding = '.'.repeat(random.between(0, options.maxRecordBytes));
      const key = random.chance(0.5) ? `k${random.between(0, 20)}` : undefined;
      producer.send(TOPIC, { key, value: `${serial} ${padding}` }).then(
        (place) => {
          open.delete(serial);
          context.guard(() => context.oracle.acknowledged(serial, place));
        },
        (error) => {
          open.delete(serial);
          context.guard(() => {
            if (!(error instanceof LograftError) || error.reason === 'INTERNAL') throw error;
            context.oracle.failed(serial);
          });
        },
      );
    };
    while (!context.closing()) {
      for (let burst = random.between(1, options.maxBurst); burst > 0; burst -= 1) send();
      await producer.ready();
      await sleep(clock, random.exponential(options.meanPauseMs));
    }
    await producer.close();
  };
}
