/** How long a disk takes. */
import type { SimRandom } from '../engine/sim-random.ts';

export interface Latency {
  /** Always. */
  readonly baseMs: number;
  /** Mean of an exponential part on top. */
  readonly meanMs: number;
  /** Now and then a much longer part comes on top: how often, and its mean. */
  readonly tailChance: number;
  readonly tailMeanMs: number;
}

export interface DiskLatencies {
  /** Reading bytes, a size, or names; closing. */
  readonly read: Latency;
  /** Into the page cache. */
  readonly write: Latency;
  /** Of a file. */
  readonly sync: Latency;
  /** Half of what a change of names takes: to make it, or to sync its directory. */
  readonly name: Latency;
}

export const DEFAULT_LATENCIES: DiskLatencies = {
  read: { baseMs: 0.01, meanMs: 0.02, tailChance: 0.005, tailMeanMs: 1 },
  write: { baseMs: 0.01, meanMs: 0.01, tailChance: 0.002, tailMeanMs: 1 },
  sync: { baseMs: 0.1, meanMs: 0.1, tailChance: 0.01, tailMeanMs: 3 },
  name: { baseMs: 0.1, meanMs: 0.1, tailChance: 0.01, tailMeanMs: 3 },
};

export function drawLatencyMs(latency: Latency, random: SimRandom): number {
  const tailMs = random.chance(latency.tailChance) ? random.exponential(latency.tailMeanMs) : 0;
  return latency.baseMs + random.exponential(latency.meanMs) + tailMs;
}
