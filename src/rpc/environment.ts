/** What a process finds around it. Injected from the top, so that a simulation can own all of it. */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { systemClock, systemRandom } from '../base/system-clock.ts';
import { grpcTransport } from './grpc-transport.ts';
import type { Transport } from './transport.ts';

export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
}

/** The machine's own. */
export const machine: Environment = { clock: systemClock, random: systemRandom, transport: grpcTransport };
