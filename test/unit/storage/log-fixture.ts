import type { Clock } from '../../../src/base/clock.ts';
import {
  type Entry,
  type HardState,
  type LogBase,
  logIndex,
  nodeId,
  type Term,
  term,
  type WriteSequence,
  type WriteUnit,
} from '../../../src/raft/types.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import type { RaftLog } from '../../../src/storage/raft-log.ts';
import { openSegmentedLog, type SegmentedLogOptions } from '../../../src/storage/segmented-log.ts';

export const DIRECTORY = '/data/log';
export const SEGMENT_1 = `${DIRECTORY}/00000001.segment`;
export const HEAD = `${DIRECTORY}/head`;
export const SEGMENT_2 = `${DIRECTORY}/00000002.segment`;
/** 4 KiB of header, 12 KiB of units. */
export const SMALL = { segmentBytes: 16 * 1024 } as const;

/** Short rests end at once, long ones when the test says so. */
export class TestClock implements Clock {
  #waiting: (() => void)[] = [];
  nowMs = (): number => 0;
  wallMs = (): number => 0;
  soon = (task: () => void): void => void setImmediate(task);

  after(delayMs: number, task: () => void): { cancel(): void } {
    if (delayMs < 100) {
      const timer = setImmediate(task);
      return { cancel: () => clearImmediate(timer) };
    }
    this.#waiting.push(task);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== task);
      },
    };
  }

  fire(): void {
    for (const task of this.#waiting.splice(0)) task();
  }
}

/** A log with what it said, and a core's part: numbering of write units. */
export class LogFixture {
  readonly written: [number, number][] = [];
  readonly damaged: number[] = [];
  readonly damagedStructure: string[] = [];
  failure: Error | undefined;
  log!: RaftLog;
  sequence = 0;
  hardState: HardState = { term: term(1), vote: undefined };
  readonly clock = new TestClock();
  #waiters: (() => void)[] = [];

  static async open(disk: Disk, options: SegmentedLogOptions = SMALL, directory = DIRECTORY): Promise<LogFixture> {
    const fixture = new LogFixture();
    fixture.log = await openSegmentedLog(
      disk,
      directory,
      { clock: fixture.clock, ...options },
      {
        onWritten: (sequence, writtenTerm) => {
          fixture.written.push([sequence, writtenTerm]);
          fixture.#wake();
        },
        onDamaged: (index) => fixture.damaged.push(index),
        onDamagedStructure: (what) => fixture.damagedStructure.push(what),
        onFailed: (error) => {
          if (fixture.failure !== undefined) throw new Error('failed twice');
          fixture.failure = error;
          fixture.#wake();
        },
      },
    );
    fixture.hardState = fixture.log.restored.hardState;
    return fixture;
  }

  get durable(): number {
    return this.written.at(-1)?.[0] ?? 0;
  }

  /** Appends payloads, replacing from `truncateFrom` when given. */
  write(payloads: readonly (string | Buffer)[], truncateFrom?: number, kind?: number): WriteUnit {
    const first = truncateFrom ?? this.log.lastIndex + 1;
    return this.#write(undefined, truncateFrom, this.#entries(payloads, first, kind));
  }

  /** Begins the log anew after `base`. */
  reset(base: LogBase, payloads: readonly (string | Buffer)[] = []): WriteUnit {
    return this.#write(base, undefined, this.#entries(payloads, base.index + 1));
  }

  #entries(payloads: readonly (string | Buffer)[], first: number, kind?: number): Entry[] {
    return payloads.map((payload, at) => ({
      term: this.hardState.term,
      index: logIndex(first + at),
      kind: kind ?? 16 + ((first + at) % 200),
      payload: Buffer.from(payload),
    }));
  }

  #write(reset: LogBase | undefined, truncateFrom: number | undefined, entries: readonly Entry[]): WriteUnit {
    this.sequence += 1;
    const unit: WriteUnit = {
      sequence: this.sequence as WriteSequence,
      hardState: this.hardState,
      reset,
      truncateFrom: truncateFrom === undefined ? undefined : logIndex(truncateFrom),
      entries,
    };
    this.log.write(unit);
    return unit;
  }

  vote(inTerm: number, whom: string | undefined): WriteUnit {
    this.hardState = { term: term(inTerm), vote: whom === undefined ? undefined : nodeId(whom) };
    return this.write([]);
  }

  newTerm(value: number): void {
    this.hardState = { term: value as Term, vote: undefined };
  }

  async flushed(): Promise<void> {
    await this.until(() => this.durable >= this.sequence || this.failure !== undefined);
    if (this.failure !== undefined) throw this.failure;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  async all(): Promise<Entry[]> {
    const { firstIndex, lastIndex } = this.log;
    return lastIndex < firstIndex ? [] : [...(await this.log.read(firstIndex, lastIndex, Number.MAX_SAFE_INTEGER))];
  }

  async texts(): Promise<string[]> {
    return (await this.all()).map(({ payload }) => Buffer.from(payload).toString());
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** Lets everything that is ready happen. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}
