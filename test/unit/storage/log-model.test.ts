import fc from 'fast-check';
import { expect, test } from 'vitest';
import { logIndex } from '../../../src/raft/types.ts';
import { LogFixture } from './log-fixture.ts';
import { MemoryDisk } from './memory-disk.ts';

interface ModelEntry {
  readonly term: number;
  readonly payload: string;
}

type Action =
  | { readonly type: 'write'; readonly sizes: readonly number[] }
  | { readonly type: 'replace'; readonly back: number; readonly sizes: readonly number[] }
  | { readonly type: 'vote' }
  | { readonly type: 'flush' }
  | { readonly type: 'read'; readonly from: number; readonly to: number; readonly maxBytes: number }
  | { readonly type: 'close' }
  | { readonly type: 'crash'; readonly seed: number };

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(200) },
  { weight: 2, arbitrary: fc.nat(5_000) },
  { weight: 1, arbitrary: fc.nat(30_000) },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('write' as const), sizes: fc.array(size, { minLength: 1, maxLength: 6 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('replace' as const),
      back: fc.nat(8),
      sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'vote' as const }) },
  { weight: 3, arbitrary: fc.constant({ type: 'flush' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('read' as const), from: fc.nat(1_000), to: fc.nat(1_000), maxBytes: fc.nat(20_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'close' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const), seed: fc.nat() }) },
);

/** The log and an array that must agree with it. */
class Run {
  disk = new MemoryDisk();
  model: ModelEntry[] = [];
  /** The model after each write unit of this opening, from before the first: after a crash one of them is right. */
  history: { readonly sequence: number; readonly entries: readonly ModelEntry[]; readonly term: number }[] = [];
  #made = 0;
  readonly #options: { segmentBytes: number; cacheBytes: number; preallocatedSegments: number };
  fixture!: LogFixture;

  constructor(options: { segmentBytes: number; cacheBytes: number; preallocatedSegments: number }) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.fixture = await LogFixture.open(this.disk, this.#options);
    this.history = [{ sequence: 0, entries: [...this.model], term: this.fixture.hardState.term }];
  }

  async perform(action: Action): Promise<void> {
    switch (action.type) {
      case 'write':
        return this.#write(action.sizes);
      case 'replace': {
        const from = Math.max(1, this.model.length - action.back);
        this.fixture.newTerm(this.fixture.hardState.term + 1);
        return this.#write(action.sizes, from);
      }
      case 'vote':
        this.fixture.vote(this.fixture.hardState.term + 1, 'n1');
        return this.#remember();
      case 'flush':
        return this.fixture.flushed();
      case 'read':
        return this.#read(action.from, action.to, action.maxBytes);
      case 'close':
        await this.fixture.log.close();
        this.disk = this.disk.copy();
        await this.open();
        return this.#compareAll();
      case 'crash':
        return this.#crash(action.seed);
    }
  }

  #write(sizes: readonly number[], truncateFrom?: number): void {
    const payloads = sizes.map((bytes) => `${++this.#made}`.padEnd(bytes, '.'));
    if (truncateFrom !== undefined) this.model.length = truncateFrom - 1;
    for (const payload of payloads) this.model.push({ term: this.fixture.hardState.term, payload });
    this.fixture.write(payloads, truncateFrom);
    this.#remember();
  }

  #remember(): void {
    this.history.push({ sequence: this.fixture.sequence, entries: [...this.model], term: this.fixture.hardState.term });
  }

  async #read(a: number, b: number, maxBytes: number): Promise<void> {
    const count = this.model.length;
    if (count === 0) return;
    const first = 1 + (Math.min(a, b) % count);
    const last = Math.min(count, first + Math.abs(a - b));
    const expected: ModelEntry[] = [];
    let bytes = 0;
    for (const entry of this.model.slice(first - 1, last)) {
      bytes += entry.payload.length;
      if (bytes > maxBytes && expected.length > 0) break;
      expected.push(entry);
    }
    const entries = await this.fixture.log.read(logIndex(first), logIndex(last), maxBytes);
    expect(entries.map(({ term, payload }) => ({ term, payload: Buffer.from(payload).toString() }))).toEqual(expected);
    expect(entries.map(({ index }) => index)).toEqual(expected.map((_, at) => first + at));
    expect(entries.map(({ kind }) => kind)).toEqual(expected.map((_, at) => 16 + ((first + at) % 200)));
  }

  async #compareAll(): Promise<void> {
    const entries = await this.fixture.all();
    expect(entries.map(({ term, payload }) => ({ term, payload: Buffer.from(payload).toString() }))).toEqual(this.model);
    expect(this.fixture.log.restored.hardState.term).toBe(this.history[0]?.term);
  }

  async #crash(seed: number): Promise<void> {
    const { durable } = this.fixture;
    const possible = this.history.filter(({ sequence }) => sequence >= durable);
    this.disk = this.disk.crash(({ bytes }, at) => ((seed >> (at % 31)) & 1 ? bytes.length : 0));
    this.fixture = await LogFixture.open(this.disk, this.#options);
    const entries = await this.fixture.all();
    const found = JSON.stringify(entries.map(({ term, payload }) => ({ term, payload: Buffer.from(payload).toString() })));
    const { term } = this.fixture.log.restored.hardState;
    const match = possible.find((state) => state.term === term && JSON.stringify(state.entries) === found);
    expect(match, `one of ${possible.length} states from unit ${durable} on`).toBeDefined();
    this.model = [...(match?.entries ?? [])];
    this.history = [{ sequence: 0, entries: [...this.model], term }];
  }
}

test('any sequence of writes, truncations, reads, crashes and reopenings agrees with an array', async () => {
  const property = fc.asyncProperty(
    fc.constantFrom(8_192, 16_384, 65_536),
    fc.constantFrom(0, 1_000, 20_000, 1_000_000),
    fc.integer({ min: 1, max: 3 }),
    fc.array(action, { minLength: 1, maxLength: 60 }),
    async (segmentBytes, cacheBytes, preallocatedSegments, actions) => {
      const run = new Run({ segmentBytes, cacheBytes, preallocatedSegments });
      await run.open();
      for (const action of actions) {
        await run.perform(action);
        expect(run.fixture.failure).toBeUndefined();
      }
      await run.perform({ type: 'close' });
    },
  );
  await fc.assert(property, { numRuns: Number(process.env.STORAGE_RUNS ?? 150) });
}, 120_000);
