import { describe, expect, test } from 'vitest';
import { ClusterModel } from './cluster-model.ts';

/** More with e.g. `MODEL_SEEDS=5000 npx vitest run test/unit/raft/cluster.test.ts`; one with `MODEL_FIRST_SEED=n MODEL_SEEDS=1`. */
const seeds = Number(process.env.MODEL_SEEDS ?? 150);
const firstSeed = Number(process.env.MODEL_FIRST_SEED ?? 1);

describe.each([3, 5])('a group of %i in bad weather', (size) => {
  test('keeps every safety property of figure 3, and makes progress once it clears', () => {
    let committed = 0;
    let leaders = 0;
    const happened = { reads: 0, resets: 0, changes: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      try {
        const result = new ClusterModel(seed, size).run(1500);
        committed += result.committed;
        leaders += result.leaders;
        happened.reads += result.reads;
        happened.resets += result.resets;
        happened.changes += result.changes - 1;
      } catch (cause) {
        throw new Error(`seed ${seed}, ${size} nodes: ${(cause as Error).message}`, { cause });
      }
    }
    // A model in which nothing happens would prove nothing.
    expect(committed).toBeGreaterThan(seeds * 20);
    expect(leaders).toBeGreaterThan(seeds);
    expect(happened.reads).toBeGreaterThan(seeds);
    expect(happened.resets).toBeGreaterThan(seeds / 10);
    expect(happened.changes).toBeGreaterThan(seeds / 10);
  }, 600_000);
});
