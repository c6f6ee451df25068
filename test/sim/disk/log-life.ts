/** A segmented log of the product on a simulated disk, life after life, and what each of them must find. */
import { assert } from '../../../src/base/assert.ts';
import { type Entry, type HardState, logIndex, nodeId, term, type WriteSequence } from '../../../src/raft/types.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import type { RaftLog } from '../../../src/storage/raft-log.ts';
import { openSegmentedLog } from '../../../src/storage/segmented-log.ts';
import type { Machine } from './machine.ts';

const DIRECTORY = '/data/log';
const SEGMENT_BYTES = 16 * 1024;
const MAX_BURST = 4;

interface LogState {
  readonly hardState: HardState;
  readonly payloads: readonly string[];
}

export class LogLives {
  readonly #machine: Machine;
  readonly #mounted: (disk: Disk) => Disk;
  /** What the log holds after each unit that was handed to it. */
  #states: LogState[] = [{ hardState: { term: term(0), vote: undefined }, payloads: [] }];
  /** Of `#states`: what `onWritten` has called durable. */
  #durable = 0;
  #units = 0;
  opened = 0;
  acknowledged = 0;
  /** How many units were found that nobody had acknowledged. */
  surplus = 0;

  /** `mounted` may spoil the disk that the log gets. */
  constructor(machine: Machine, mounted: (disk: Disk) => Disk = (disk) => disk) {
    this.#machine = machine;
    this.#mounted = mounted;
  }

  /** Opens the log and writes to it until the process dies. */
  begin(): void {
    this.#live().catch((error) => this.#machine.scheduler.fail(error));
  }

  async #live(): Promise<void> {
    const { disk, process, random, scheduler } = this.#machine;
    let first = 0;
    const log = await openSegmentedLog(
      this.#mounted(disk.mount(process)),
      DIRECTORY,
      { segmentBytes: SEGMENT_BYTES, cacheBytes: random.pick([0, 4_096]), clock: process.clock },
      {
        onWritten: (sequence) => {
          this.acknowledged += first + sequence - this.#durable;
          this.#durable = first + sequence;
        },
        onFailed: (error) => scheduler.fail(error),
      },
    );
    await this.#check(log);
    first = this.#durable;
    let sequence = 0;
    for (;;) {
      for (let burst = random.between(1, MAX_BURST); burst > 0; burst -= 1) {
        sequence += 1;
        this.#write(log, sequence as WriteSequence);
      }
      await new Promise<void>((resolve) => process.clock.after(random.exponential(2), resolve));
    }
  }

  /** What was durable is there, then perhaps more of what was written, in its order. */
  async #check(log: RaftLog): Promise<void> {
    const { lastIndex, hardState } = log.restored;
    const entries = lastIndex === 0 ? [] : await log.read(logIndex(1), lastIndex, Number.MAX_SAFE_INTEGER);
    const found = text({ hardState, payloads: entries.map(({ payload }) => Buffer.from(payload).toString()) });
    const at = this.#states.findIndex((state, unit) => unit >= this.#durable && text(state) === found);
    assert(at >= 0, `${this.#durable} units were durable, of ${this.#states.length - 1}; found entries 1 to ${lastIndex}`);
    this.opened += 1;
    this.surplus += at - this.#durable;
    this.#states = this.#states.slice(0, at + 1);
    this.#durable = at;
  }

  #write(log: RaftLog, sequence: WriteSequence): void {
    const { random } = this.#machine;
    const before = this.#states.at(-1) as LogState;
    this.#units += 1;
    const vote = random.pick([undefined, nodeId('n1'), nodeId('n2')]);
    const hardState = random.chance(0.2) ? { term: term(before.hardState.term + 1), vote } : before.hardState;
    const truncates = before.payloads.length > 0 && random.chance(0.1);
    const firstIndex = truncates ? random.between(1, before.payloads.length) : before.payloads.length + 1;
    const count = truncates ? random.between(1, 3) : random.between(0, 3);
    const payloads = Array.from({ length: count }, (_, at) => `${this.#units}.${at} `.repeat(random.between(1, 200)));
    const entries: Entry[] = payloads.map((payload, at) => ({
      term: hardState.term,
      index: logIndex(firstIndex + at),
      kind: 16,
      payload: Buffer.from(payload),
    }));
    this.#states.push({ hardState, payloads: [...before.payloads.slice(0, firstIndex - 1), ...payloads] });
    const truncateFrom = truncates ? logIndex(firstIndex) : undefined;
    const unit = { sequence, hardState, reset: undefined, truncateFrom, entries };
    log.write(unit);
  }
}

function text({ hardState, payloads }: LogState): string {
  return [hardState.term, hardState.vote, ...payloads].join('|');
}
