/** Whatever one fault of the disk does to a log between two lives, nothing that was acknowledged is gone without the log saying so. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isBehind } from '../../../src/raft/log-position.ts';
import { type Entry, type LogIndex, logIndex, type Term } from '../../../src/raft/types.ts';
import { DIRECTORY, HEAD, LogFixture, settle } from './log-fixture.ts';
import { LOST, MemoryDisk, SECTOR_BYTES } from './memory-disk.ts';

type Step =
  | { readonly type: 'write'; readonly sizes: readonly number[]; readonly back: number }
  | { readonly type: 'vote' }
  | { readonly type: 'trim'; readonly keep: number }
  | { readonly type: 'reset'; readonly ahead: number };

interface Life {
  readonly steps: readonly Step[];
  readonly end: 'close' | 'crash' | 'sealedCrash';
  readonly fault: {
    readonly kind: 'flip' | 'zero' | 'misdirect';
    readonly file: number;
    readonly at: number;
    readonly from: number;
  };
}

const OPTIONS = { segmentBytes: 8_192, cacheBytes: 0 } as const;

const size = fc.oneof(fc.nat(40), fc.nat(1_500));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('write' as const),
      sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
      back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'vote' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('trim' as const), keep: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const), ahead: fc.nat(5) }) },
);
const life: fc.Arbitrary<Life> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 10 }),
  end: fc.constantFrom('close', 'crash', 'sealedCrash'),
  fault: fc.record({ kind: fc.constantFrom('flip', 'zero', 'misdirect'), file: fc.nat(), at: fc.nat(), from: fc.nat() }),
});

interface State {
  readonly entries: readonly Entry[];
  readonly term: number;
  readonly vote: string | undefined;
  readonly floor: LogFixture['log']['restored']['floor'];
}

const counts = { opened: 0, refused: 0, damaged: 0, cut: 0 };

class Run {
  #disk = new MemoryDisk();
  /** What was acknowledged, and what was before the last write: that one alone is exposed. */
  #state: State = { entries: [], term: 0, vote: undefined, floor: undefined };
  #attested = this.#state;
  /** All that was ever written, by index and term. After a cut the log is what it once was: entries that were replaced may be back. */
  readonly #written = new Map<string, Entry>();

  /** False when the log was refused: whoever cannot know what was lost must not go on. */
  async live({ steps, end, fault }: Life): Promise<boolean> {
    let fixture: LogFixture;
    try {
      fixture = await LogFixture.open(this.#disk, OPTIONS);
    } catch (error) {
      if ((error as { code: string }).code !== 'DAMAGED_LOG') throw error;
      counts.refused += 1;
      return false;
    }
    counts.opened += 1;
    await this.#check(fixture);
    fixture.newTerm(fixture.hardState.term + 1);
    for (const each of steps) await this.#step(fixture, each);
    if (end === 'close') await fixture.log.close();
    if (end === 'sealedCrash') {
      // A seal may need the segment that is being made.
      await settle(40);
      fixture.clock.fire();
    }
    await settle();
    this.#disk = this.#disk.crash(LOST);
    if (end !== 'crash') this.#attested = this.#state;
    // Without a seal a whole sector may take the last write and units before it, for which it alone vouches.
    this.#strike(end === 'crash' ? { ...fault, kind: 'flip' } : fault);
    return true;
  }

  async #check(fixture: LogFixture): Promise<void> {
    const { log } = fixture;
    const { restored } = log;
    const { hardState, floor } = restored;
    const damaged = new Set<number>(log.damaged().map(({ index }) => index));
    counts.damaged += damaged.size;
    counts.cut += log.recovery.cutFrom === undefined ? 0 : 1;
    const { entries, term, vote } = this.#attested;
    expect(hardState.term).toBeGreaterThanOrEqual(term);
    if (hardState.term === term && vote !== undefined) expect(hardState.vote).toBe(vote);
    if (this.#attested.floor !== undefined && isBehind({ index: log.lastIndex, term: lastTerm(log) }, this.#attested.floor))
      expect(floor === undefined || isBehind(floor, this.#attested.floor)).toBe(false);
    const found = await this.#repaired(fixture, damaged);
    // What the exposed last write replaced may be gone, or not.
    for (const entry of entries.filter((attested) => this.#state.entries.some((newest) => name(newest) === name(attested)))) {
      if (entry.index < log.firstIndex) continue;
      const now = found.find(({ index }) => index === entry.index);
      if (now?.term === entry.term) continue;
      // The floor may be passed by what was found of the last write.
      const covered = floor !== undefined ? !isBehind(floor, entry) : now === undefined || now.term > entry.term;
      expect(covered && (floor !== undefined || now !== undefined), `entry ${entry.index} is gone`).toBe(true);
    }
    for (const entry of found) expect(text(entry)).toBe(text(this.#written.get(name(entry)) as Entry));
    this.#state = { entries: found, term: hardState.term, vote: hardState.vote, floor };
    this.#attested = this.#state;
  }

  /** All entries, after the damaged ones were taken from elsewhere. */
  async #repaired(fixture: LogFixture, damaged: ReadonlySet<number>): Promise<Entry[]> {
    const { log } = fixture;
    for (const { index, term } of log.damaged()) {
      expect(damaged.has(index)).toBe(true);
      await expect(async () => log.read(index, index, 1e9)).rejects.toMatchObject({ code: 'DAMAGED_ENTRY' });
      const known = this.#written.get(`${index}/${term}`) as Entry;
      await log.repair(known);
    }
    expect(log.damaged()).toEqual([]);
    return fixture.all();
  }

  async #step(fixture: LogFixture, step: Step): Promise<void> {
    const { log } = fixture;
    const before = this.#state;
    if (step.type === 'trim') {
      const at = this.#state.entries[this.#state.entries.length - 1 - step.keep];
      if (at === undefined) return;
      await log.trim({ index: at.index, term: at.term, configuration: undefined });
      this.#state = { ...before, entries: before.entries.filter(({ index }) => index > at.index) };
      this.#attested = { ...this.#attested, entries: this.#attested.entries.filter(({ index }) => index > at.index) };
      return;
    }
    if (step.type === 'vote') fixture.vote(fixture.hardState.term + 1, 'n2');
    if (step.type === 'write') this.#write(fixture, step);
    if (step.type === 'reset') {
      const last = before.entries.at(-1);
      const index = (last?.index ?? log.base.index) + step.ahead;
      fixture.reset({ index: index as LogIndex, term: last?.term ?? log.base.term, configuration: undefined });
      this.#state = { ...before, entries: [] };
    }
    await fixture.flushed();
    await settle();
    const { term, vote } = fixture.hardState;
    this.#state = { ...this.#state, term, vote };
    // A reset is durable by its head, which no later unit has to vouch for.
    this.#attested = step.type === 'reset' ? this.#state : before;
  }

  #write(fixture: LogFixture, { sizes, back }: Step & { type: 'write' }): void {
    const { log } = fixture;
    const { entries } = this.#state;
    const first = Math.max(log.firstIndex, log.lastIndex + 1 - back);
    if (first <= log.lastIndex || fixture.hardState.term === 0) fixture.newTerm(fixture.hardState.term + 1);
    const made = sizes.map((bytes, at) => `${first + at}/${fixture.hardState.term}`.padEnd(bytes, String(fixture.sequence)));
    const unit = fixture.write(made, first <= log.lastIndex ? first : undefined);
    for (const entry of unit.entries) this.#written.set(name(entry), entry);
    this.#state = { ...this.#state, entries: [...entries.filter(({ index }) => index < first), ...unit.entries] };
  }

  #strike({ kind, file, at, from }: Life['fault']): void {
    const paths = [...this.#disk.files.keys()].filter((path) => path.startsWith(DIRECTORY)).sort();
    // The head is small, and there is one: hit less often.
    const likely = paths.filter((path) => path !== HEAD || file % 7 === 0);
    const path = likely[file % likely.length] as string;
    const { durable, cached } = this.#disk.contents(path);
    const used = durable.length - (path === HEAD ? 0 : trailingZeros(durable));
    const position = at % Math.max(1, used);
    const sector = position - (position % SECTOR_BYTES);
    if (kind === 'flip') this.#disk.flip(path, position, at % 8);
    for (const bytes of kind === 'flip' ? [] : new Set([durable, cached])) {
      const other = this.#disk.contents(paths[from % paths.length] as string).durable;
      const source = from % Math.max(1, other.length);
      const image =
        kind === 'zero'
          ? Buffer.alloc(SECTOR_BYTES)
          : Buffer.from(other.subarray(source - (source % SECTOR_BYTES))).subarray(0, SECTOR_BYTES);
      image.copy(bytes, sector, 0, Math.min(image.length, bytes.length - sector));
    }
  }
}

function lastTerm(log: LogFixture['log']): Term {
  return log.restored.termRuns.at(-1)?.term ?? log.base.term;
}

function trailingZeros(bytes: Buffer): number {
  let count = 0;
  while (count < bytes.length && bytes[bytes.length - 1 - count] === 0) count += 1;
  return count;
}

function name({ index, term }: Entry): string {
  return `${index}/${term}`;
}

function text({ index, term, kind, payload }: Entry): string {
  return `${logIndex(index)} ${term} ${kind} ${Buffer.from(payload)}`;
}

test('every acknowledged entry is there, or damaged and repaired, or behind a floor that covers it', async () => {
  const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 6 }), async (lives) => {
    const run = new Run();
    for (const each of lives) if (!(await run.live(each))) return;
  });
  await fc.assert(property, { numRuns: Number(process.env.STORAGE_RUNS ?? 200) });
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0);
}, 240_000);
