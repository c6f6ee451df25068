/** A client program: what runs in a client's process, over and over as it is killed and started again. */

import type { Clock } from '../../../src/base/clock.ts';
import type { LograftClient } from '../../../src/client/client.ts';
import type { Transport } from '../../../src/rpc/transport.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Oracle } from '../oracle/oracle.ts';

export const TOPIC = 'orders';

export interface ProgramContext {
  /** Unique over all runs of all programs. */
  readonly name: string;
  readonly client: LograftClient;
  readonly clock: Clock;
  /** For what the client library does not do. */
  readonly transport: Transport;
  /** Of all brokers, members or not. */
  readonly brokers: readonly string[];
  readonly random: SimRandom;
  readonly oracle: Oracle;
  /** What a reader of everything begins with: 0, unless something is dropped as time goes by. */
  readonly firstOffset: 0 | 'earliest';
  /** The oracle's word is final: what it throws ends the run. */
  guard<Result>(look: () => Result): Result;
  /** No further records are to be sent; what is under way may end. */
  readonly closing: () => boolean;
  onDeath(task: () => void): void;
}

export type Program = (context: ProgramContext) => Promise<void>;
