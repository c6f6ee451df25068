/** Exactly once, and who may write: over retries, restarts, snapshots, instances of one name, deleted topics and long silence. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { type ApplyResult, BrokerState } from '../../../src/broker/broker-state.ts';
import { KIND_BATCH, KIND_COMMAND } from '../../../src/broker/entry-kinds.ts';
import { PRODUCER_SESSION_MS, PRODUCER_WINDOW_BATCHES } from '../../../src/broker/limits.ts';
import { LogTimes, readTimes, timesValue } from '../../../src/broker/log-times.ts';
import { type Entry, logIndex, term } from '../../../src/raft/types.ts';
import { CommandCodec, RecordBatchCodec } from '../../../src/rpc/protos.ts';
import { MemoryKeyedState } from '../memory-keyed-state.ts';

const DAY_MS = PRODUCER_SESSION_MS / 7;
/** Rounds follow at once, so that a test need not wait for them. */
const clock = { ...systemClock, after: (_: number, task: () => void) => systemClock.after(0, task) };
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

interface Batch {
  readonly producerId: number;
  readonly firstSequence: number;
  readonly count?: number;
  readonly topicId?: number;
  readonly queue?: number;
}

/** A log, and one replica of the state that follows from it, which crashes and begins anew. */
class Replica {
  readonly log: Entry[] = [];
  readonly snapshots = new Map<number, Buffer>();
  keyed = new MemoryKeyedState();
  state!: BrokerState;

  static async start(): Promise<Replica> {
    const replica = new Replica();
    await replica.#load(new MemoryKeyedState());
    return replica;
  }

  get index(): number {
    return this.log.length;
  }

  command(command: Parameters<typeof CommandCodec.encode>[0]): ApplyResult {
    return this.#apply(KIND_COMMAND, CommandCodec.encode(command));
  }

  batch(batch: Batch): ApplyResult {
    return this.#apply(KIND_BATCH, RecordBatchCodec.encode({ topicId: 1, queue: 0, count: 1, ...batch }));
  }

  open(name = '', epoch = 0): number {
    const result = this.command({ openProducer: { name, epoch } });
    return result.type === 'producerOpened' ? result.producerId : expect.unreachable(JSON.stringify(result));
  }

  takeEpoch(): number {
    const result = this.command({ takeEpoch: {} });
    return result.type === 'epochTaken' ? result.epoch : expect.unreachable(JSON.stringify(result));
  }

  place(revision: number, ids: readonly number[], droppedIds: number[] = []): void {
    const topics = ids.map((id) => ({ id, name: `t${id}`, queueCount: 2, queues: [0, 1] }));
    this.command({ placeTopics: { revision, topics, droppedIds } });
  }

  checkpoint(wallMs: number): number {
    this.command({ checkpoint: { wallMs } });
    return this.index;
  }

  /** Loses what is not stored, and applies it again. */
  async crash(): Promise<void> {
    this.keyed.hold();
    const copy = new MemoryKeyedState();
    for (const [key, value] of this.keyed.entries) copy.entries.set(key, value);
    this.keyed.release();
    await this.#load(copy);
    this.#replay();
  }

  /** The replica that was here all the time makes the snapshot, and one that has read the state from its disk makes it again. */
  async checkpointTwice(): Promise<void> {
    await settled();
    this.keyed.hold();
    this.checkpoint(DAY_MS);
    await this.crash();
  }

  /** Begins anew from the last snapshot. */
  async install(): Promise<void> {
    const snapshot = [...this.snapshots.values()].at(-1);
    if (snapshot === undefined) return;
    await this.#load(new MemoryKeyedState());
    await this.state.restore(whole(snapshot));
    this.#replay();
  }

  get lastCheckpoint(): number {
    return [...this.snapshots.keys()].at(-1) ?? 0;
  }

  nextOffset(topicId: number, queue: number): number | undefined {
    return this.state.topics.byId(topicId)?.queues.get(queue)?.nextOffset;
  }

  async #load(keyed: MemoryKeyedState): Promise<void> {
    this.keyed = keyed;
    this.state = await BrokerState.load(keyed, clock, {
      onTopicsChanged: () => {},
      onCatalogueChanged: () => {},
      onCheckpoint: ({ index }, content) => {
        const bytes = Buffer.concat(content);
        expect(this.snapshots.get(index) ?? bytes, 'the same at each replay').toEqual(bytes);
        this.snapshots.set(index, bytes);
      },
      onTrimmed: () => {},
      whenDurable: () => true,
      onFailed: (error) => expect.unreachable(error.message),
    });
  }

  #apply(kind: number, payload: Uint8Array): ApplyResult {
    const entry = { term: term(1), index: logIndex(this.index + 1), kind, payload };
    this.log.push(entry);
    return this.state.apply(entry);
  }

  #replay(): void {
    for (const entry of this.log.slice(this.state.appliedIndex)) this.state.apply(entry);
  }
}

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

describe('an instance of a named producer', () => {
  let replica: Replica;

  beforeEach(async () => {
    replica = await Replica.start();
    replica.place(1, [1, 2]);
  });

  it('is fenced from the moment that a later one opens a session, also with batches that are stored already', () => {
    const [older, newer] = [replica.takeEpoch(), replica.takeEpoch()];
    const old = replica.open('billing', older);
    expect(replica.batch({ producerId: old, firstSequence: 0, count: 3 })).toMatchObject({ baseOffset: 0 });
    const own = replica.open('billing', newer);
    expect(replica.batch({ producerId: old, firstSequence: 3 })).toMatchObject({ type: 'refused', reason: 'FENCED' });
    expect(replica.batch({ producerId: old, firstSequence: 0, count: 3 })).toMatchObject({ reason: 'FENCED' });
    expect(replica.batch({ producerId: old, firstSequence: 0, queue: 1 })).toMatchObject({ reason: 'FENCED' });
    expect(replica.batch({ producerId: own, firstSequence: 0 })).toMatchObject({ baseOffset: 3 });
    expect(replica.command({ openProducer: { name: 'billing', epoch: older } })).toMatchObject({ reason: 'FENCED' });
  });

  it('is not fenced by other names, nor by its own further sessions', () => {
    const epoch = replica.takeEpoch();
    const first = replica.open('billing', epoch);
    const second = replica.open('billing', epoch);
    replica.open('shipping', replica.takeEpoch());
    replica.open();
    expect(replica.batch({ producerId: first, firstSequence: 0 })).toMatchObject({ baseOffset: 0 });
    expect(replica.batch({ producerId: second, firstSequence: 0 })).toMatchObject({ baseOffset: 1 });
    expect(replica.batch({ producerId: first, firstSequence: 1 })).toMatchObject({ baseOffset: 2 });
  });

  it('learns where its predecessors ended, however many there were', async () => {
    const old = replica.open('billing', replica.takeEpoch());
    replica.batch({ producerId: old, firstSequence: 0, count: 5, topicId: 2, queue: 1 });
    replica.batch({ producerId: old, firstSequence: 0, count: 2 });
    replica.batch({ producerId: old, firstSequence: 2, count: 2 });
    const next = replica.open('billing', replica.takeEpoch());
    replica.batch({ producerId: next, firstSequence: 0, count: 3 });
    replica.open('billing', replica.takeEpoch());
    const last = [
      { topicId: 1, queue: 0, offset: 6 },
      { topicId: 2, queue: 1, offset: 4 },
    ];
    expect(replica.state.lastRecordsOf('billing')).toEqual(last);
    expect(replica.state.lastRecordsOf('shipping')).toEqual([]);
    await settled();
    await replica.crash();
    expect(replica.state.lastRecordsOf('billing')).toEqual(last);
    replica.place(replica.index + 1, [], [2]);
    expect(replica.state.lastRecordsOf('billing')).toEqual(last.slice(0, 1));
  });
});

describe('a producer session', () => {
  let replica: Replica;

  beforeEach(async () => {
    replica = await Replica.start();
    replica.place(1, [1, 2]);
  });

  it('goes at the first checkpoint that finds it silent for the time of the format, with what is stored of it', async () => {
    const silent = replica.open('billing', replica.takeEpoch());
    replica.batch({ producerId: silent, firstSequence: 0 });
    const busy = replica.open();
    replica.checkpoint(DAY_MS);
    replica.batch({ producerId: busy, firstSequence: 0 });
    replica.checkpoint(DAY_MS + PRODUCER_SESSION_MS - 1);
    expect(replica.batch({ producerId: silent, firstSequence: 0 })).toMatchObject({ baseOffset: 0 });
    replica.checkpoint(DAY_MS + PRODUCER_SESSION_MS);
    expect(replica.batch({ producerId: silent, firstSequence: 0 })).toMatchObject({ reason: 'UNKNOWN_PRODUCER' });
    expect(replica.state.lastRecordsOf('billing')).toEqual([]);
    expect(replica.batch({ producerId: busy, firstSequence: 0 })).toMatchObject({ baseOffset: 1 });
    await settled();
    // Tables of sessions and windows: those of `busy` alone.
    expect([...replica.keyed.entries.keys()].filter((key) => /^(73|77)/.test(key))).toHaveLength(2);
    await replica.crash();
    expect(replica.batch({ producerId: silent, firstSequence: 1 })).toMatchObject({ reason: 'UNKNOWN_PRODUCER' });
  });

  it('is not silent because no checkpoint was made for long', () => {
    replica.checkpoint(DAY_MS);
    const id = replica.open();
    replica.batch({ producerId: id, firstSequence: 0 });
    replica.checkpoint(100 * DAY_MS);
    expect(replica.batch({ producerId: id, firstSequence: 0 })).toMatchObject({ baseOffset: 0 });
  });

  it('keeps its place among the others when topics that it wrote to are deleted, also over a restart', async () => {
    const [one, other] = [replica.open(), replica.open()];
    replica.batch({ producerId: other, firstSequence: 0 });
    replica.batch({ producerId: one, firstSequence: 0, topicId: 2 });
    replica.place(replica.index + 1, [], [2]);
    await replica.checkpointTwice();
    expect([...replica.keyed.entries.keys()].filter((key) => key.startsWith('77'))).toHaveLength(1);
  });

  it('lies in a snapshot the same way whatever the order in which its queues were written', async () => {
    const id = replica.open();
    replica.batch({ producerId: id, firstSequence: 0, queue: 1 });
    replica.batch({ producerId: id, firstSequence: 0, queue: 0 });
    await replica.checkpointTwice();
  });
});

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('open' as const), who: fc.nat(2), late: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('send' as const),
      session: fc.nat(7),
      topicId: fc.integer({ min: 1, max: 3 }),
      queue: fc.nat(1),
      batches: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }) }, { weight: 1, arbitrary: fc.constant(40) }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('retry' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drop' as const), topicId: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('checkpoint' as const), hours: fc.oneof(fc.nat(3), fc.nat(80)) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('trim' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const), stored: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('install' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** What producers were told, by a plain list, and what they must be told when they ask again. */
class Expectations {
  readonly sessions: { readonly id: number; readonly name: string; readonly epoch: number; lastIndex: number }[] = [];
  readonly sent: (Required<Batch> & { readonly offset: number })[] = [];
  readonly dropped = new Set<number>();
  readonly times: { readonly index: number; readonly wallMs: number }[] = [];
  readonly expired = new Set<number>();
  wallMs = 0;

  isFenced(session: { readonly name: string; readonly epoch: number }): boolean {
    return this.sessions.some(({ id, name, epoch }) => {
      return name !== '' && name === session.name && epoch > session.epoch && !this.expired.has(id);
    });
  }

  /** Of a batch to this session and topic that would be new; undefined: it is taken. */
  refusal(producerId: number, topicId: number): string | undefined {
    if (this.dropped.has(topicId)) return 'UNKNOWN_TOPIC';
    const session = this.sessions.find(({ id }) => id === producerId);
    if (session === undefined || this.expired.has(producerId)) return 'UNKNOWN_PRODUCER';
    return this.isFenced(session) ? 'FENCED' : undefined;
  }

  on({ producerId, topicId, queue }: Pick<Batch, 'producerId' | 'topicId' | 'queue'>): (typeof this.sent)[number][] {
    return this.sent.filter((one) => one.producerId === producerId && one.topicId === topicId && one.queue === queue);
  }

  again(batch: (typeof this.sent)[number]): object {
    const reason = this.refusal(batch.producerId, batch.topicId);
    if (reason !== undefined) return { type: 'refused', reason };
    const remembered = this.on(batch).slice(-PRODUCER_WINDOW_BATCHES).includes(batch);
    return remembered ? { type: 'appended', baseOffset: batch.offset } : { type: 'refused', reason: 'DUPLICATE_TOO_OLD' };
  }

  checkpoint(index: number): void {
    const silentUpTo = this.times.findLast(({ wallMs }) => this.wallMs - wallMs >= PRODUCER_SESSION_MS)?.index ?? 0;
    for (const { id, lastIndex } of this.sessions) if (lastIndex <= silentUpTo) this.expired.add(id);
    if (this.wallMs - (this.times.at(-1)?.wallMs ?? Number.NEGATIVE_INFINITY) >= PRODUCER_SESSION_MS / 32)
      this.times.push({ index, wallMs: this.wallMs });
  }
}

/** One history of producers, replica and faults, and what must come of each step. */
class Trial {
  readonly #replica: Replica;
  readonly #expected = new Expectations();
  readonly #firstEpochs = new Map<string, number>();

  constructor(replica: Replica) {
    this.#replica = replica;
    replica.place(1, [1, 2, 3]);
  }

  async take(one: Step): Promise<void> {
    const replica = this.#replica;
    switch (one.type) {
      case 'open':
        return this.#open(['', 'a', 'b'][one.who] as string, one.late);
      case 'send':
        for (let at = 0; at < one.batches; at += 1) this.#send(one);
        return;
      case 'retry':
        return this.#retry(one.which);
      case 'drop':
        replica.place(replica.index + 2, [], [one.topicId]);
        this.#expected.dropped.add(one.topicId);
        return;
      case 'checkpoint':
        this.#expected.wallMs += (one.hours * DAY_MS) / 24;
        return this.#expected.checkpoint(replica.checkpoint(this.#expected.wallMs));
      case 'trim':
        replica.command({ trim: { index: replica.lastCheckpoint } });
        return;
      case 'crash':
        if (one.stored) await settled();
        return replica.crash();
      case 'install':
        return replica.install();
    }
  }

  finish(): void {
    const { sessions, expired } = this.#expected;
    expect(this.#replica.state.producers).toBe(sessions.length - expired.size);
  }

  /** `late`: by the first instance of the name, whoever has begun since. */
  #open(name: string, late: boolean): void {
    const replica = this.#replica;
    const epoch = name === '' ? 0 : ((late ? this.#firstEpochs.get(name) : undefined) ?? replica.takeEpoch());
    if (!this.#firstEpochs.has(name)) this.#firstEpochs.set(name, epoch);
    const fenced = this.#expected.isFenced({ name, epoch });
    const result = replica.command({ openProducer: { name, epoch } });
    if (fenced) return expect(result).toMatchObject({ type: 'refused', reason: 'FENCED' });
    const id = replica.index;
    expect(result).toEqual({ type: 'producerOpened', producerId: id });
    this.#expected.sessions.push({ id, name, epoch, lastIndex: id });
  }

  #send({ session: which, topicId, queue, count }: Extract<Step, { type: 'send' }>): void {
    const { sessions, sent } = this.#expected;
    const session = sessions[which % (sessions.length || 1)];
    const place = { producerId: session?.id ?? 999, topicId, queue, count };
    const last = this.#expected.on(place).at(-1);
    const batch = { ...place, firstSequence: last === undefined ? 0 : last.firstSequence + last.count };
    const reason = this.#expected.refusal(batch.producerId, topicId);
    const offset = this.#replica.nextOffset(topicId, queue) ?? 0;
    const result = this.#replica.batch(batch);
    if (reason !== undefined || session === undefined) return expect(result).toMatchObject({ type: 'refused', reason });
    expect(result).toEqual({ type: 'appended', baseOffset: offset });
    sent.push({ ...batch, offset });
    session.lastIndex = this.#replica.index;
  }

  #retry(which: number): void {
    const { sent } = this.#expected;
    const batch = sent[which % (sent.length || 1)];
    if (batch === undefined) return;
    const { offset: _, ...again } = batch;
    const end = this.#replica.nextOffset(batch.topicId, batch.queue);
    expect(this.#replica.batch(again)).toMatchObject(this.#expected.again(batch));
    expect(this.#replica.nextOffset(batch.topicId, batch.queue)).toBe(end);
  }
}

describe('any retry', () => {
  it('is told the original offset, over crashes, snapshots, instances, deleted topics and time, or why not', async () => {
    await fc.assert(
      // Without `size` most histories would be too short for a checkpoint, a fault and a retry.
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const trial = new Trial(await Replica.start());
        for (const one of steps) await trial.take(one);
        trial.finish();
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});

describe('the times of the log', () => {
  it('are few, whatever the clocks do, and are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 * DAY_MS), { maxLength: 300 }), (pauses) => {
        const times = new LogTimes();
        let wallMs = 0;
        for (const [at, pause] of pauses.entries()) {
          wallMs += pause;
          times.note({ index: at + 1, wallMs });
          expect(times.all().length).toBeLessThanOrEqual(33);
        }
        expect(readTimes(timesValue(times.all()))).toEqual(times.all());
      }),
    );
  });
});
