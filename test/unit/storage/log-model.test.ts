import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LogBase, logIndex, term } from '../../../src/raft/types.ts';
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
  | { readonly type: 'trim'; readonly keep: number }
  | { readonly type: 'reset'; readonly ahead: number; readonly sizes: readonly number[] }
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
  { weight: 2, arbitrary: fc.record({ type: fc.constant('trim' as const), keep: fc.nat(12) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('reset' as const), ahead: fc.nat(20), sizes: fc.array(size, { maxLength: 2 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('read' as const), from: fc.nat(1_000), to: fc.nat(1_000), maxBytes: fc.nat(20_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'close' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const), seed: fc.nat() }) },
);

interface Model {
  readonly base: LogBase;
  /** After the base. */
  readonly entries: readonly ModelEntry[];
  readonly term: number;
}

const EMPTY: Model = { base: { index: logIndex(0), term: term(0), configuration: undefined }, entries: [], term: 0 };

/** The log and an array that must agree with it. */
class Run {
  disk = new MemoryDisk();
  model = EMPTY;
  /** The model after each write unit of this opening, from before the first: after a crash one of them is right. */
  history: { readonly sequence: number; readonly model: Model }[] = [];
  #made = 0;
  readonly #options: { segmentBytes: number; cacheBytes: number; preallocatedSegments: number };
  fixture!: LogFixture;

  constructor(options: { segmentBytes: number; cacheBytes: number; preallocatedSegments: number }) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.fixture = await LogFixture.open(this.disk, this.#options);
    this.history = [{ sequence: 0, model: this.model }];
  }

  async perform(action: Action): Promise<void> {
    switch (action.type) {
      case 'write':
        return this.#write(action.sizes);
      case 'replace': {
        const first = Math.max(1, this.model.entries.length - action.back);
        this.fixture.newTerm(this.fixture.hardState.term + 1);
        return this.#write(action.sizes, first);
      }
      case 'vote':
        this.fixture.vote(this.fixture.hardState.term + 1, 'n1');
        return this.#remember(this.model);
      case 'flush':
        return this.fixture.flushed();
      case 'trim':
        return this.#trim(action.keep);
      case 'reset':
        return this.#reset(action.ahead, action.sizes);
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

  /** `first` counts from 1 after the base. */
  #write(sizes: readonly number[], first = this.model.entries.length + 1): void {
    const { base, entries } = this.model;
    const made = this.#make(sizes);
    const truncates = first <= entries.length;
    this.fixture.write(
      made.map(({ payload }) => payload),
      truncates ? base.index + first : undefined,
    );
    this.#remember({ ...this.model, entries: [...entries.slice(0, first - 1), ...made] });
  }

  /** Moves the base, of what may still be found after a crash too: where the log begins then is up to when the crash comes. */
  async #trim(keep: number): Promise<void> {
    await this.fixture.flushed();
    const { base, entries } = this.model;
    const count = entries.length - keep;
    if (count <= 0) return;
    const trimming = this.fixture.log.trim({ ...baseAfter(this.model, count), configuration: Buffer.from(`${count}`) });
    this.model = trimmed(this.model, count);
    this.history.push({ sequence: this.fixture.sequence, model: this.model });
    await expect(this.fixture.log.read(logIndex(base.index + 1), this.fixture.log.lastIndex, 1)).rejects.toMatchObject({
      code: 'TRIMMED',
    });
    // Sometimes a crash finds it under way.
    if (keep % 2 === 0) await trimming;
  }

  async #reset(ahead: number, sizes: readonly number[]): Promise<void> {
    const { base, entries } = this.model;
    const lastTerm = entries.at(-1)?.term ?? base.term;
    const index = base.index + Math.max(1, entries.length - 5) + ahead;
    const after: LogBase = { index: logIndex(index), term: term(lastTerm), configuration: Buffer.from('group') };
    const made = this.#make(sizes);
    this.fixture.reset(
      after,
      made.map(({ payload }) => payload),
    );
    this.#remember({ base: after, entries: [], term: this.fixture.hardState.term });
    this.#remember({ base: after, entries: made, term: this.fixture.hardState.term });
  }

  #make(sizes: readonly number[]): ModelEntry[] {
    return sizes.map((bytes) => ({ term: this.fixture.hardState.term, payload: `${++this.#made}`.padEnd(bytes, '.') }));
  }

  #remember(model: Model): void {
    this.model = { ...model, term: this.fixture.hardState.term };
    this.history.push({ sequence: this.fixture.sequence, model: this.model });
  }

  async #read(a: number, b: number, maxBytes: number): Promise<void> {
    const { base, entries } = this.model;
    const count = entries.length;
    if (count === 0) return;
    const from = 1 + (Math.min(a, b) % count);
    const to = Math.min(count, from + Math.abs(a - b));
    const expected: ModelEntry[] = [];
    let bytes = 0;
    for (const entry of entries.slice(from - 1, to)) {
      bytes += entry.payload.length;
      if (bytes > maxBytes && expected.length > 0) break;
      expected.push(entry);
    }
    const first = base.index + from;
    const read = await this.fixture.log.read(logIndex(first), logIndex(base.index + to), maxBytes);
    expect(read.map(({ term, payload }) => ({ term, payload: Buffer.from(payload).toString() }))).toEqual(expected);
    expect(read.map(({ index }) => index)).toEqual(expected.map((_, at) => first + at));
    expect(read.map(({ kind }) => kind)).toEqual(expected.map((_, at) => 16 + ((first + at) % 200)));
  }

  async #compareAll(): Promise<void> {
    expect(await this.#found()).toEqual(text(this.model));
  }

  async #crash(seed: number): Promise<void> {
    const { durable } = this.fixture;
    const possible = this.history.filter(({ sequence }) => sequence >= durable);
    this.disk = this.disk.crash(({ bytes }, at) => ((seed >> (at % 31)) & 1 ? bytes.length : 0));
    this.fixture = await LogFixture.open(this.disk, this.#options);
    const found = await this.#found();
    // A trim moves the base of all states that have an entry there, whether their units reached the disk or not.
    const trims = this.history.map(({ model }) => model.base.index);
    const states = possible.flatMap(({ model }) => [
      model,
      ...trims
        .map((index) => index - model.base.index)
        .flatMap((count) => (count > 0 && count <= model.entries.length ? [trimmed(model, count)] : [])),
    ]);
    const match = states.find((state) => text(state) === found);
    expect(match, `one of ${states.length} states from unit ${durable} on`).toBeDefined();
    this.model = match ?? this.model;
    this.history = [{ sequence: 0, model: this.model }];
  }

  async #found(): Promise<string> {
    const entries = await this.fixture.all();
    const { base, hardState } = this.fixture.log.restored;
    const found = entries.map(({ term, payload }) => ({ term, payload: Buffer.from(payload).toString() }));
    return text({ base, entries: found, term: hardState.term });
  }
}

function baseAfter({ base, entries }: Model, count: number): LogBase {
  return { index: logIndex(base.index + count), term: term(entries[count - 1]?.term ?? 0), configuration: undefined };
}

function trimmed(model: Model, count: number): Model {
  return { ...model, base: baseAfter(model, count), entries: model.entries.slice(count) };
}

function text({ base, entries, term }: Model): string {
  return JSON.stringify([base.index, base.term, term, entries]);
}

test('any sequence of writes, truncations, trims, resets, reads, crashes and reopenings agrees with an array', async () => {
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
