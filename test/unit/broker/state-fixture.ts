/** A group's replicated state over memory, fed entry by entry. */
import { expect } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { BrokerState, type BrokerStateEvents } from '../../../src/broker/broker-state.ts';
import { KIND_BATCH, KIND_COMMAND } from '../../../src/broker/entry-kinds.ts';
import type { QueueState } from '../../../src/broker/queue-state.ts';
import { type Entry, logIndex, term } from '../../../src/raft/types.ts';
import { CommandCodec, RecordBatchCodec, RecordSetCodec } from '../../../src/rpc/protos.ts';
import { MemoryKeyedState } from '../memory-keyed-state.ts';

/** The group holds all queues of a topic with id 1. */
export const placed = (queues: number) => ({
  placeTopics: { revision: 1, topics: [{ id: 1, name: 't', queueCount: queues, queues: [...Array(queues).keys()] }] },
});

/** Rounds follow at once, so that a test need not wait for them. */
const clock = { ...systemClock, after: (_: number, task: () => void) => systemClock.after(0, task) };
export const settled = () => new Promise((resolve) => setTimeout(resolve, 10));

export class Fixture {
  readonly snapshots = new Map<number, Buffer>();
  readonly trimmed: number[] = [];
  readonly keyed = new MemoryKeyedState();
  state!: BrokerState;
  index = 0;

  static async open(keyed = new MemoryKeyedState(), index = 0): Promise<Fixture> {
    const fixture = new Fixture();
    for (const [key, value] of keyed.entries) fixture.keyed.entries.set(key, value);
    const events: BrokerStateEvents = {
      onTopicsChanged: () => {},
      onCatalogueChanged: () => {},
      onCheckpoint: (entry, content) => fixture.snapshots.set(entry.index, Buffer.concat(content)),
      onTrimmed: (at) => fixture.trimmed.push(at),
      whenDurable: () => true,
      onFailed: (error) => expect.unreachable(error.message),
    };
    fixture.state = await BrokerState.load(fixture.keyed, clock, events);
    fixture.index = index;
    return fixture;
  }

  apply(kind: number, payload: Uint8Array) {
    this.index += 1;
    const entry: Entry = { term: term(1), index: logIndex(this.index), kind, payload };
    return this.state.apply(entry);
  }

  command(command: Parameters<typeof CommandCodec.encode>[0]) {
    return this.apply(KIND_COMMAND, CommandCodec.encode(command));
  }

  batch(fields: { producerId?: number; firstSequence?: number; count?: number; queue?: number }) {
    return this.apply(KIND_BATCH, RecordBatchCodec.encode({ topicId: 1, queue: 0, count: 1, ...fields }));
  }

  /** A batch of records with these timestamps. */
  timed(...timestampsMs: readonly number[]) {
    const records = RecordSetCodec.encode({ records: timestampsMs.map((timestampMs) => ({ timestampMs })) });
    return this.apply(KIND_BATCH, RecordBatchCodec.encode({ topicId: 1, count: timestampsMs.length, records }));
  }

  queues() {
    const range = ({ firstOffset, nextOffset }: QueueState) => [firstOffset, nextOffset];
    return this.state.topics.all().map(({ queues }) => [...queues.values()].map(range));
  }

  async restored(index: number, into = new MemoryKeyedState()): Promise<Fixture> {
    const fixture = await Fixture.open(into, index);
    const snapshot = this.snapshots.get(index) as Buffer;
    await fixture.state.restore(pieces(snapshot, 7));
    return fixture;
  }
}

async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
