/** A segmented log of the product on a simulated disk, life after life, and what each of them must find. */
import { assert } from '../../../src/base/assert.ts';
import {
  type Entry,
  type HardState,
  type LogPosition,
  logIndex,
  nodeId,
  type Term,
  term,
  type WriteSequence,
} from '../../../src/raft/types.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import type { RaftLog } from '../../../src/storage/raft-log.ts';
import { openSegmentedLog } from '../../../src/storage/segmented-log.ts';
import type { Machine } from './machine.ts';

const DIRECTORY = '/data/log';
const SEGMENT_BYTES = 16 * 1024;
const MAX_BURST = 4;

interface LogState {
  readonly hardState: HardState;
  readonly base: LogPosition;
  /** After the base. */
  readonly payloads: readonly { readonly term: Term; readonly text: string }[];
}

export class LogLives {
  readonly #machine: Machine;
  readonly #mounted: (disk: Disk) => Disk;
  /** What the log holds after each unit that was handed to it. */
  #states: LogState[] = [
    { hardState: { term: term(0), vote: undefined }, base: { index: logIndex(0), term: term(0) }, payloads: [] },
  ];
  /** Of `#states`: what `onWritten` has called durable. */
  #durable = 0;
  #units = 0;
  opened = 0;
  acknowledged = 0;
  trimmed = 0;
  resets = 0;
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
      if (random.chance(0.1)) this.#trim(log);
      await new Promise<void>((resolve) => process.clock.after(random.exponential(2), resolve));
    }
  }

  /** What was durable is there, then perhaps more of what was written, in its order. */
  async #check(log: RaftLog): Promise<void> {
    const { lastIndex, hardState, base } = log.restored;
    const entries = lastIndex === base.index ? [] : await log.read(log.firstIndex, lastIndex, Number.MAX_SAFE_INTEGER);
    const payloads = entries.map((entry) => ({ term: entry.term, text: Buffer.from(entry.payload).toString() }));
    const found = text({ hardState, base, payloads });
    const at = this.#states.findIndex((state, unit) => unit >= this.#durable && text(trimmedTo(state, base.index)) === found);
    assert(
      at >= 0,
      `${this.#durable} units were durable, of ${this.#states.length - 1}; found entries ${log.firstIndex} to ${lastIndex}`,
    );
    this.opened += 1;
    this.surplus += at - this.#durable;
    this.#states = this.#states.slice(0, at + 1).map((state, unit) => (unit === at ? trimmedTo(state, base.index) : state));
    this.#durable = at;
  }

  /** Whether it came about before a crash, the next life sees by the base. */
  #trim(log: RaftLog): void {
    const { random, scheduler } = this.#machine;
    const durable = this.#states[this.#durable] as LogState;
    const newest = this.#states.at(-1) as LogState;
    const count = random.between(0, durable.payloads.length);
    const index = durable.base.index + count;
    // What is being replaced was not committed.
    const kept = newest.payloads[index - newest.base.index - 1]?.text === durable.payloads[count - 1]?.text;
    if (count === 0 || index <= newest.base.index || index <= log.base.index || !kept) return;
    const at = durable.payloads[count - 1] as LogState['payloads'][number];
    this.trimmed += count;
    log.trim({ index: logIndex(index), term: at.term, configuration: undefined }).catch((error) => scheduler.fail(error));
  }

  #write(log: RaftLog, sequence: WriteSequence): void {
    const { random } = this.#machine;
    // Not trimmed: after a crash the log may have its old base.
    const before = this.#states.at(-1) as LogState;
    const dropped = Math.max(0, log.base.index - before.base.index);
    this.#units += 1;
    const vote = random.pick([undefined, nodeId('n1'), nodeId('n2')]);
    const hardState = random.chance(0.2) ? { term: term(before.hardState.term + 1), vote } : before.hardState;
    if (random.chance(0.03)) return this.#reset(log, sequence, before, hardState);
    const truncates = before.payloads.length > dropped && random.chance(0.1);
    const first = truncates ? random.between(dropped + 1, before.payloads.length) : before.payloads.length + 1;
    const count = truncates ? random.between(1, 3) : random.between(0, 3);
    const payloads = this.#payloads(count, hardState.term);
    const firstIndex = before.base.index + first;
    this.#states.push({ ...before, hardState, payloads: [...before.payloads.slice(0, first - 1), ...payloads] });
    const truncateFrom = truncates ? logIndex(firstIndex) : undefined;
    log.write({ sequence, hardState, reset: undefined, truncateFrom, entries: entriesFrom(firstIndex, payloads) });
  }

  #reset(log: RaftLog, sequence: WriteSequence, before: LogState, hardState: HardState): void {
    const { random } = this.#machine;
    const index = logIndex(before.base.index + before.payloads.length + random.between(0, 10));
    const base = { index, term: before.payloads.at(-1)?.term ?? before.base.term };
    this.resets += 1;
    this.#states.push({ hardState, base, payloads: [] });
    log.write({ sequence, hardState, reset: { ...base, configuration: undefined }, truncateFrom: undefined, entries: [] });
  }

  #payloads(count: number, inTerm: Term): LogState['payloads'][number][] {
    const { random } = this.#machine;
    return Array.from({ length: count }, (_, at) => ({
      term: inTerm,
      text: `${this.#units}.${at} `.repeat(random.between(1, 200)),
    }));
  }
}

function entriesFrom(firstIndex: number, payloads: LogState['payloads']): Entry[] {
  return payloads.map(({ term, text }, at) => ({ term, index: logIndex(firstIndex + at), kind: 16, payload: Buffer.from(text) }));
}

/** The same log when the entries up to there were dropped. */
function trimmedTo(state: LogState, index: number): LogState {
  const count = index - state.base.index;
  const last = state.payloads[count - 1];
  if (count <= 0 || last === undefined) return state;
  return { ...state, base: { index: logIndex(index), term: last.term }, payloads: state.payloads.slice(count) };
}

function text({ hardState, base, payloads }: LogState): string {
  return [hardState.term, hardState.vote, base.index, base.term, ...payloads.map(({ text }) => text)].join('|');
}
