import { beforeEach, expect, it } from 'vitest';
import type { LeaderCaller } from '../../../src/client/leader-caller.ts';
import { ReadingProgress } from '../../../src/client/reading-progress.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import { ManualClock } from '../manual-clock.ts';

const HOUR_MS = 3_600_000;

/** Commits that were asked for: the offsets by queue, and how to answer. */
interface Commit {
  readonly group: string;
  readonly offsets: readonly (readonly [number, number])[];
  answer(error?: LograftError): void;
}

let clock: ManualClock;
let commits: Commit[];
let progress: ReadingProgress;
let failures: LograftError[];

beforeEach(() => {
  clock = new ManualClock();
  commits = [];
  failures = [];
  const call = (group: string, _: unknown, request: { offsets: { queue: number; offset: number }[] }): Promise<object> =>
    new Promise((resolve, reject) => {
      const offsets = request.offsets.map(({ queue, offset }) => [queue, offset] as const);
      commits.push({ group, offsets, answer: (error) => (error === undefined ? resolve({}) : reject(error)) });
    });
  const caller = { clock, call } as unknown as LeaderCaller;
  const { signal } = new AbortController();
  progress = new ReadingProgress({ consumerGroup: 'billing', commitEveryMs: 1_000, caller, signal });
  progress.start({ name: 'orders', id: 1, queueGroups: ['g1', 'g2', 'g1'] }, (error) => failures.push(error));
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pass(ms: number): Promise<void> {
  await clock.pass(ms);
  await settled();
}

/** Answers what was asked for, and gives it. */
function answered(error?: LograftError): (readonly [string, Commit['offsets']])[] {
  return commits.splice(0).map(({ group, offsets, answer }) => {
    answer(error);
    return [group, offsets] as const;
  });
}

it('commits what is new, in one call for each group of the cluster', async () => {
  for (const queue of [0, 1, 2]) progress.begin(queue, 10);
  await pass(1_000);
  expect(answered()).toEqual([
    [
      'g1',
      [
        [0, 10],
        [2, 10],
      ],
    ],
    ['g2', [[1, 10]]],
  ]);
  await settled();
  progress.give(2, 10);
  await pass(1_000);
  expect(answered()).toEqual([]);
  progress.putDown();
  await pass(1_000);
  expect(answered()).toEqual([['g1', [[2, 11]]]]);
});

it('commits one thing at a time, and the newest of what waited', async () => {
  progress.begin(0, 0);
  await pass(1_000);
  progress.give(0, 0);
  progress.putDown();
  const byHand = progress.commit(new Map([[0, 1]]));
  const end = progress.end();
  await settled();
  expect(commits).toHaveLength(1);
  expect(answered()).toEqual([['g1', [[0, 0]]]]);
  await settled();
  expect(answered()).toEqual([['g1', [[0, 1]]]]);
  await Promise.all([byHand, end]);
  expect(commits).toEqual([]);
});

it('tries again what passes, and tells of what does not', async () => {
  progress.begin(0, 5);
  await pass(1_000);
  answered(new LograftError('NO_LEADER', 'nobody leads'));
  await settled();
  await pass(1_000);
  expect(answered(new LograftError('UNKNOWN_TOPIC', 'deleted'))).toEqual([['g1', [[0, 5]]]]);
  await settled();
  expect(failures).toMatchObject([{ reason: 'UNKNOWN_TOPIC' }]);
});

it('shows each hour that the group lives, where nothing new comes', async () => {
  progress.begin(0, 5);
  progress.begin(1, 6);
  await pass(1_000);
  expect(answered()).toHaveLength(2);
  await settled();
  await pass(HOUR_MS / 2);
  expect(answered()).toEqual([]);
  await pass(HOUR_MS / 2);
  expect(answered()).toEqual([
    ['g1', [[0, 5]]],
    ['g2', [[1, 6]]],
  ]);
  await settled();
  await pass(1_000);
  expect(answered()).toEqual([]);
});
