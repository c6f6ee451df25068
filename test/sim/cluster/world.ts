/** What everybody in one simulated run shares. */
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Trace } from '../engine/trace.ts';
import type { Weather } from '../faults/weather.ts';
import type { SimNetwork } from '../network/sim-network.ts';
import type { Oracle } from '../oracle/oracle.ts';
import type { Witness } from './witness.ts';

export interface World {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly weather: Weather;
  readonly network: SimNetwork;
  /** One for each group; the first is the home group. */
  readonly witnesses: ReadonlyMap<string, Witness>;
  /** Of the home group, the one whose members and leaders the weather picks on. */
  readonly witness: Witness;
  readonly oracle: Oracle;
}
