import { expect, it } from 'vitest';
import { logIndex } from '../../../src/raft/types.ts';
import { ReadBarrier } from '../../../src/replica/read-barrier.ts';
import { ManualClock } from '../manual-clock.ts';

const ASK_AGAIN_MS = 500;

function fixture() {
  const clock = new ManualClock();
  const asked: { read: number; atMs: number }[] = [];
  const barrier = new ReadBarrier({
    clock,
    random: { between: (minimum) => minimum },
    askAgainMs: ASK_AGAIN_MS,
    ask: (read) => asked.push({ read, atMs: clock.nowMs() }),
  });
  const times = (): number[] => asked.map(({ atMs }) => atMs);
  return { clock, asked, barrier, times };
}

it('asks once for all that come together, and once more for those that come meanwhile', async () => {
  const { clock, asked, barrier, times } = fixture();
  const early = [barrier.index(5_000), barrier.index(5_000)];
  await clock.pass(10);
  const late = barrier.index(5_000);
  await clock.pass(10);
  expect(times()).toEqual([0]);
  barrier.answered({ read: asked[0]?.read ?? 0, index: logIndex(7) });
  expect(await Promise.all(early)).toEqual([7, 7]);
  expect(times()).toEqual([0, 20]);
  barrier.answered({ read: asked[1]?.read ?? 0, index: logIndex(8) });
  expect(await late).toBe(8);
});

it('asks again after one patience when the question is lost, with a number of its own', async () => {
  const { clock, asked, barrier, times } = fixture();
  const read = barrier.index(5_000);
  await clock.pass(2 * ASK_AGAIN_MS + 10);
  expect(times()).toEqual([0, ASK_AGAIN_MS, 2 * ASK_AGAIN_MS]);
  expect(new Set(asked.map((question) => question.read)).size).toBe(3);
  barrier.answered({ read: asked[2]?.read ?? 0, index: logIndex(7) });
  expect(await read).toBe(7);
});

it('asks again after one patience when nobody leads', async () => {
  const { clock, asked, barrier, times } = fixture();
  const read = barrier.index(5_000);
  await clock.pass(100);
  barrier.answered({ read: asked[0]?.read ?? 0, index: undefined });
  await clock.pass(ASK_AGAIN_MS);
  expect(times()).toEqual([0, 100 + ASK_AGAIN_MS]);
  barrier.stop();
  expect(await read).toBeUndefined();
});

it('gives up in time', async () => {
  const { clock, barrier } = fixture();
  const read = barrier.index(1_200);
  await clock.pass(3 * ASK_AGAIN_MS);
  expect(await read).toBeUndefined();
});
