import { sleep } from '../../../src/base/sleep.ts';
import type { Producer } from '../../../src/client/producer.ts';
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

interface Instance {
  readonly producer: Producer;
  /** For the oracle. */
  readonly name: string;
  sent: number;
  fenced: boolean;
}

/**
 * Sends records in bursts, without waiting for answers, until told to close; then waits for all of them. Some producers have a name, which they
 * share with those of earlier runs on the same machine, and with later ones that begin beside them.
 */
export function producing(options: ProducingOptions) {
  return async (context: ProgramContext): Promise<void> => {
    const { client, clock, random, name } = context;
    const { deliveryTimeoutMs, maxInFlightBatches } = options;
    // A stream of its own: it shifts nothing for producers without a name.
    const naming = random.fork('naming');
    const sharedName = naming.chance(0.25) ? name.split('.')[0] : undefined;
    const settings = {
      lingerMs: random.pick([0, 1, 5]),
      batchBytes: 2_048,
      deliveryTimeoutMs,
      maxInFlightBatches,
      ...(sharedName === undefined ? {} : { name: sharedName }),
    };
    const instances: Instance[] = [];
    const begin = (): Instance => {
      const own = instances.length === 0 ? name : `${name}-${instances.length}`;
      const instance = { producer: client.producer(settings), name: own, sent: 0, fenced: false };
      instances.push(instance);
      return instance;
    };
    const open = new Set<string>();
    context.onDeath(() =>
      context.guard(() => {
        for (const serial of open) context.oracle.failed(serial);
      }),
    );
    const send = (instance: Instance): void => {
      const serial = context.guard(() => context.oracle.sending(instance.name, instance.sent, sharedName));
      instance.sent += 1;
      open.add(serial);
      const padding = '.'.repeat(random.between(0, options.maxRecordBytes));
      const key = random.chance(0.5) ? `k${random.between(0, 20)}` : undefined;
      instance.producer.send(TOPIC, { key, value: `${serial} ${padding}` }).then(
        (place) => {
          open.delete(serial);
          context.guard(() => context.oracle.acknowledged(serial, place));
        },
        (error) => {
          open.delete(serial);
          context.guard(() => {
            if (!(error instanceof LograftError) || error.reason === 'INTERNAL') throw error;
            if (error.reason === 'FENCED') instance.fenced = true;
            context.oracle.failed(serial);
          });
        },
      );
    };
    let newest = begin();
    while (!context.closing()) {
      if (newest.fenced || (sharedName !== undefined && naming.chance(0.03))) newest = begin();
      // The one before goes on as if it were alone.
      const instance = naming.chance(0.3) ? (instances.at(-2) ?? newest) : newest;
      for (let burst = random.between(1, options.maxBurst); burst > 0; burst -= 1) send(instance);
      await instance.producer.ready();
      await sleep(clock, random.exponential(options.meanPauseMs));
    }
    await Promise.all(instances.map(({ producer }) => producer.close()));
  };
}
