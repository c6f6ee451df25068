/** A crash after every single change of the disk, with every subset of what was not synced: nothing that was acknowledged is ever gone. */
import { expect, test } from 'vitest';
import { type LogBase, logIndex, term } from '../../../src/raft/types.ts';
import { LogFixture, SEGMENT_1, settle } from './log-fixture.ts';
import { LOST, MemoryDisk } from './memory-disk.ts';

const OPTIONS = { segmentBytes: 8_192, cacheBytes: 0 } as const;
/** More subsets than this are not all tried: none, all, each one alone, all but each one. */
const MAX_SUBSET_BITS = 6;

interface State {
  readonly base: number;
  readonly texts: readonly string[];
  readonly term: number;
  readonly vote: string | undefined;
}

/** What a script did so far: each state it went through, and up to which of them all is acknowledged. */
class Story {
  readonly states: State[];
  acknowledged = 0;

  constructor(first: State) {
    this.states = [first];
  }

  expects(change: Partial<State>): void {
    this.states.push({ ...(this.states.at(-1) as State), ...change });
  }
}

interface Script {
  readonly prepare?: () => Promise<MemoryDisk>;
  /** What the prepared disk holds. */
  readonly first?: State;
  readonly play: (disk: MemoryDisk, story: Story) => Promise<void>;
  /** In place of one of the states. */
  readonly check?: (fixture: LogFixture) => Promise<void>;
}

const NOTHING: State = { base: 0, texts: [], term: 0, vote: undefined };
const base = (index: number, inTerm: number): LogBase => ({ index: logIndex(index), term: term(inTerm), configuration: undefined });

/** Counts changes; after `limit` of them the disk answers no more. */
function stopAfter(disk: MemoryDisk, limit: number): () => number {
  let count = 0;
  const next = (): Promise<void> | undefined => (++count > limit ? new Promise(() => {}) : undefined);
  disk.beforeWrite = next;
  disk.beforeSync = next;
  for (const name of ['replaceFile', 'rename', 'remove'] as const) {
    const change = disk[name].bind(disk) as (...given: unknown[]) => Promise<void>;
    disk[name] = async (...given: unknown[]) => {
      await next();
      return change(...given);
    };
  }
  return () => count;
}

function* subsets(bits: number): Generator<(at: number) => boolean> {
  if (bits <= MAX_SUBSET_BITS) {
    for (let subset = 0; subset < 2 ** bits; subset++) yield (at) => ((subset >> at) & 1) === 1;
    return;
  }
  for (const rest of [false, true]) {
    yield () => rest;
    for (let other = 0; other < bits; other++) yield (at) => (at === other) !== rest;
  }
}

async function stateOf(fixture: LogFixture): Promise<State> {
  const { hardState, base } = fixture.log.restored;
  return { base: base.index, texts: await fixture.texts(), term: hardState.term, vote: hardState.vote };
}

/** Plays the script up to every change there is, and opens all that a crash there may leave. */
async function everyCrash({ prepare, first, play, check }: Script): Promise<number> {
  let crashes = 0;
  for (let limit = 0, over = false; !over; limit++) {
    const disk = prepare === undefined ? new MemoryDisk() : await prepare();
    const changes = stopAfter(disk, limit);
    const story = new Story(first ?? NOTHING);
    let played = false;
    void play(disk, story).then(() => {
      played = true;
    });
    for (let turn = 0; turn < 30 && !played; turn++) await settle(10);
    await settle(20);
    over = played && changes() <= limit;
    const pending = [...disk.files.values()].flatMap((contents) => contents.pending);
    for (const kept of subsets(pending.length)) {
      const left = disk.afterCrash((sector) => (kept(pending.indexOf(sector)) ? sector.bytes.length : 0));
      const fixture = await LogFixture.open(left, OPTIONS);
      crashes += 1;
      if (check !== undefined) await check(fixture);
      else expect(story.states.slice(story.acknowledged).map(text)).toContain(text(await stateOf(fixture)));
      // And what was recovered is durable.
      const again = await LogFixture.open(left.copy(), OPTIONS);
      expect(again.log.restored).toEqual(fixture.log.restored);
    }
  }
  return crashes;
}

function text(state: State): string {
  return JSON.stringify(state);
}

async function acknowledged(fixture: LogFixture, story: Story): Promise<void> {
  await fixture.flushed();
  story.acknowledged = story.states.length - 1;
}

test('writes, a vote and a truncation', async () => {
  const play: Script['play'] = async (disk, story) => {
    const fixture = await LogFixture.open(disk, OPTIONS);
    fixture.newTerm(1);
    story.expects({ term: 1, texts: ['a'] });
    fixture.write(['a']);
    await acknowledged(fixture, story);
    story.expects({ texts: ['a', 'b', 'c'.repeat(1_500)] });
    fixture.write(['b', 'c'.repeat(1_500)]);
    await acknowledged(fixture, story);
    story.expects({ term: 3, vote: 'n2' });
    fixture.vote(3, 'n2');
    await acknowledged(fixture, story);
    fixture.newTerm(4);
    story.expects({ term: 4, vote: undefined, texts: ['a', 'B'] });
    fixture.write(['B'], 2);
    await acknowledged(fixture, story);
    // Rolls into the next segment.
    story.expects({ texts: ['a', 'B', 'd'.repeat(2_500)] });
    fixture.write(['d'.repeat(2_500)]);
    await acknowledged(fixture, story);
    await fixture.log.close();
  };
  expect(await everyCrash({ play })).toBeGreaterThan(100);
});

/** Five entries of 1 900 bytes, two to a segment. */
async function fivePrepared(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const fixture = await LogFixture.open(disk, OPTIONS);
  fixture.newTerm(2);
  for (const letter of 'abcde') {
    fixture.write([letter.repeat(1_900)]);
    await fixture.flushed();
  }
  await settle(40);
  await fixture.log.close();
  return disk.crash(LOST);
}
const FIVE: State = { base: 0, texts: [...'abcde'].map((letter) => letter.repeat(1_900)), term: 2, vote: undefined };

test('a trim, and writes behind it', async () => {
  const play: Script['play'] = async (disk, story) => {
    const fixture = await LogFixture.open(disk, OPTIONS);
    story.expects({ base: 4, texts: FIVE.texts.slice(4) });
    await fixture.log.trim(base(4, 2));
    story.acknowledged = 1;
    story.expects({ texts: [...FIVE.texts.slice(4), 'f'] });
    fixture.write(['f']);
    await acknowledged(fixture, story);
  };
  expect(await everyCrash({ prepare: fivePrepared, first: FIVE, play })).toBeGreaterThan(10);
});

test('a reset with entries of its own, and another one', async () => {
  const play: Script['play'] = async (disk, story) => {
    const fixture = await LogFixture.open(disk, OPTIONS);
    fixture.vote(5, 'n3');
    story.expects({ term: 5, vote: 'n3' });
    await acknowledged(fixture, story);
    story.expects({ base: 30, texts: [] });
    story.expects({ texts: ['x', 'y'] });
    fixture.reset(base(30, 4), ['x', 'y']);
    await acknowledged(fixture, story);
    fixture.newTerm(6);
    story.expects({ base: 40, texts: [], term: 6, vote: undefined });
    fixture.reset(base(40, 5));
    await acknowledged(fixture, story);
    story.expects({ texts: ['z'] });
    fixture.write(['z']);
    await acknowledged(fixture, story);
  };
  expect(await everyCrash({ prepare: fivePrepared, first: FIVE, play })).toBeGreaterThan(15);
});

async function damagedAt(offset: (bytes: Buffer) => number): Promise<MemoryDisk> {
  const disk = await fivePrepared();
  disk.flip(SEGMENT_1, offset(disk.contents(SEGMENT_1).durable), 0);
  return disk;
}

test('a repair: the entry is damaged or whole, others are as they were', async () => {
  const prepare = (): Promise<MemoryDisk> => damagedAt((bytes) => bytes.indexOf('bbb') + 700);
  const play: Script['play'] = async (disk) => {
    const fixture = await LogFixture.open(disk, OPTIONS);
    const payload = Buffer.from(FIVE.texts[1] as string);
    await fixture.log.repair({ index: logIndex(2), term: term(2), kind: 18, payload });
  };
  const seen = new Set<number>();
  const check = async (fixture: LogFixture): Promise<void> => {
    const damaged = fixture.log.damaged().map(({ index }) => index);
    seen.add(damaged.length);
    if (damaged.length > 0) expect(damaged).toEqual([2]);
    const rest = await fixture.log.read(logIndex(damaged.length === 0 ? 1 : 3), logIndex(5), 1e6);
    expect(rest.map(({ payload }) => `${Buffer.from(payload)}`)).toEqual(FIVE.texts.slice(damaged.length === 0 ? 0 : 2));
  };
  expect(await everyCrash({ prepare, play, check })).toBeGreaterThan(10);
  expect(seen).toEqual(new Set([0, 1]));
});

test('a cut: wherever it is interrupted, the same log, floor and hard state', async () => {
  const header = (bytes: Buffer): number => bytes.indexOf('bbb') - 100;
  const anew = (): number => 4_096 + 50;
  for (const [offset, last] of [[header, 1] as const, [anew, 0] as const]) {
    const prepare = (): Promise<MemoryDisk> => damagedAt(offset);
    const play: Script['play'] = async (disk) => void (await LogFixture.open(disk, OPTIONS));
    const check = async ({ log }: LogFixture): Promise<void> => {
      expect(log.restored).toMatchObject({ lastIndex: last, floor: { index: 5, term: 2 }, hardState: { term: 2 } });
    };
    expect(await everyCrash({ prepare, play, check })).toBeGreaterThan(5);
  }
});

test('a cut below the base: the log begins anew after it, wherever that is interrupted', async () => {
  const prepare = async (): Promise<MemoryDisk> => {
    const disk = await fivePrepared();
    const fixture = await LogFixture.open(disk, OPTIONS);
    await fixture.log.trim(base(1, 2));
    await fixture.log.close();
    disk.flip(SEGMENT_1, 4_096 + 50, 0);
    return disk.crash(LOST);
  };
  const play: Script['play'] = async (disk) => void (await LogFixture.open(disk, OPTIONS));
  const check = async ({ log }: LogFixture): Promise<void> => {
    expect(log.restored).toMatchObject({ lastIndex: 1, base: { index: 1 }, floor: { index: 5, term: 2 }, hardState: { term: 2 } });
  };
  expect(await everyCrash({ prepare, play, check })).toBeGreaterThan(5);
});
