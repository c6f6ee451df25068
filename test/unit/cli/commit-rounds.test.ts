import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CommitRounds } from '../../../src/cli/commit-rounds.ts';
import { LineWriter } from '../../../src/cli/line-writer.ts';
import { LograftError, type Reader } from '../../../src/client/index.ts';

/** A reader that has come as far as `at` says. */
class FakeReader {
  at = 0;
  readonly commits: number[] = [];
  failure: LograftError | undefined;

  get positions(): ReadonlyMap<number, number> {
    return new Map([[0, this.at]]);
  }

  async commit(positions = this.positions): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.commits.push(positions.get(0) as number);
  }
}

let reader: FakeReader;
let output: PassThrough;
let writer: LineWriter;
let rounds: CommitRounds;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  reader = new FakeReader();
  output = new PassThrough({ highWaterMark: 1 });
  writer = new LineWriter(output);
  rounds = new CommitRounds(writer);
  rounds.start(reader as unknown as Reader);
});

afterEach(() => vi.useRealTimers());

it('commits what has left the process, and not what has been read since', async () => {
  writer.write(Buffer.from('first'));
  reader.at = 1;
  vi.advanceTimersByTime(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(reader.commits).toEqual([]);
  reader.at = 2;
  output.resume();
  await vi.waitFor(() => expect(reader.commits).toEqual([1]));
  expect(await rounds.end()).toBeUndefined();
  expect(reader.commits).toEqual([1, 2]);
});

it('tries again what passes, ends what does not, and tells what the end could not commit', async () => {
  reader.failure = new LograftError('NO_LEADER', 'nobody leads');
  vi.advanceTimersByTime(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(rounds.failed.aborted).toBe(false);
  reader.failure = new LograftError('INVALID_REQUEST', 'too many consumer groups');
  vi.advanceTimersByTime(5_000);
  await vi.waitFor(() => expect(rounds.failed.reason).toBe(reader.failure));
  expect(await rounds.end()).toBe(reader.failure);
});
