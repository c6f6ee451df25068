/** Where an open log begins, and the segments that are in use from there on. Trims and resets move it, one after the other. */
import { assert } from '../base/assert.ts';
import { isBehind } from '../raft/log-position.ts';
import type { LogBase } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import { encodeHead, headPath, type LogHead, type ReplayStart } from './log-head.ts';

/** A segment that units were written to, or are about to be. */
export interface UsedSegment {
  readonly number: number;
  readonly path: string;
  readonly segmentBytes: number;
  /** What replaying would begin with here. */
  readonly start: ReplayStart;
}

export interface LogStartOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly head: LogHead;
  readonly used: readonly UsedSegment[];
  /** A segment's file is gone. */
  readonly onRemoved: (segment: UsedSegment) => void;
}

export class LogStart {
  readonly #options: LogStartOptions;
  #head: LogHead;
  /** The first is where the log begins, the last is the current one. */
  #used: UsedSegment[];
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: LogStartOptions) {
    this.#options = options;
    this.#head = options.head;
    this.#used = [...options.used];
  }

  /** All that units were written to, oldest first. */
  get used(): readonly UsedSegment[] {
    return this.#used;
  }

  /** Units go to this segment from now on. */
  use(segment: UsedSegment): void {
    this.#used.push(segment);
  }

  /** Durable head first, then the segments that hold only dropped entries are removed. */
  trim(base: LogBase): Promise<void> {
    return this.#inTurn(async () => {
      // Later ones hold all of the log after the base, whatever was truncated before.
      const first = this.#used.findLast(({ start }) => start.lastIndex <= base.index);
      assert(first !== undefined, 'the log begins at or before its base');
      await this.#replace({ ...this.#head, base, start: first.start, floor: this.#floorAfter(base) });
      await this.#removeBefore(first.number);
    });
  }

  /** Resolves when it is durable that the log begins anew here. The segments before are removed after that. */
  async reset(base: LogBase, start: ReplayStart): Promise<void> {
    await this.#inTurn(() => {
      this.#used = this.#used.map((segment) => (segment.number === start.segment ? { ...segment, start } : segment));
      return this.#replace({ ...this.#head, base, start, floor: this.#floorAfter(base) });
    });
  }

  /** Removes what lies before the beginning. */
  removeDropped(): Promise<void> {
    return this.#inTurn(() => this.#removeBefore(this.#head.start.segment));
  }

  /** Resolves when nothing is under way any more; nothing begins after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last.catch(() => {});
  }

  /** Whoever waits for it hears of a failure; the next turn does not begin after one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => (this.#stopped ? undefined : work()));
    this.#last.catch(() => {});
    return this.#last;
  }

  async #replace(head: LogHead): Promise<void> {
    await this.#options.disk.replaceFile(headPath(this.#options.directory), encodeHead(head));
    this.#head = head;
  }

  async #removeBefore(number: number): Promise<void> {
    for (let first = this.#used[0]; first !== undefined && first.number < number; first = this.#used[0]) {
      // Nobody looks for it any more, who would find it gone.
      this.#used.shift();
      await this.#options.disk.remove(first.path);
      this.#options.onRemoved(first);
    }
    assert(this.#used.length > 0, 'the current segment is never removed');
  }

  #floorAfter(base: LogBase): LogHead['floor'] {
    const { floor } = this.#head;
    return floor !== undefined && isBehind(base, floor) ? floor : undefined;
  }
}
