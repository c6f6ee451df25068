import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StorageError } from '../../../src/storage/errors.ts';
import type { KeyedState, KeyRange } from '../../../src/storage/keyed-state.ts';
import { Machine } from './machine.ts';
import { SimKeyedState } from './sim-keyed-state.ts';

/** Slower than opening and closing. */
const SLOW_WRITES = { write: { baseMs: 100, meanMs: 1, tailChance: 0, tailMeanMs: 0 } };

const key = (name: string): Buffer => Buffer.from(name, 'latin1');

function open(machine: Machine): Promise<KeyedState> {
  return machine.finish(machine.keyed.mount(machine.process, '/data/state'));
}

async function opened(seed: number): Promise<{ readonly machine: Machine; readonly state: KeyedState }> {
  const machine = new Machine(seed);
  return { machine, state: await open(machine) };
}

function writes(state: KeyedState, ...names: string[]): Promise<void> {
  return state.write(
    names.map((name) => [key(name), key(name.toUpperCase())]),
    [],
  );
}

async function collect(state: KeyedState, range: KeyRange = {}): Promise<string> {
  const names: string[] = [];
  for await (const [name] of state.range(range)) names.push(name.toString('latin1'));
  return names.join(' ');
}

/** What is there, read by a process of its own. */
async function contents(machine: Machine): Promise<string> {
  return machine.finish(collect(await open(machine)));
}

describe('the keyed state', () => {
  it('has the newest value of each key, and keeps its own copies', async () => {
    const { machine, state } = await opened(1);
    const value = key('one');
    await machine.finish(state.write([[key('a'), value]], []));
    value.fill(0);
    const read = await machine.finish(state.get(key('a')));
    expect(read?.toString()).toBe('one');
    read?.fill(0);
    await machine.finish(state.write([[key('b'), key('two')]], [key('c')]));
    expect((await machine.finish(state.get(key('a'))))?.toString()).toBe('one');
    await machine.finish(state.write([[key('a'), key('three')]], [key('b')]));
    expect((await machine.finish(state.get(key('a'))))?.toString()).toBe('three');
    expect(await machine.finish(state.get(key('b')))).toBeUndefined();
  });

  it('never answers at once', async () => {
    const { machine, state } = await opened(2);
    let answers = 0;
    const works = [state.get(key('a')), writes(state, 'a'), state.sync(), collect(state)];
    for (const work of works)
      void work.then(() => {
        answers += 1;
      });
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(answers).toBe(0);
    await machine.finish(Promise.all<unknown>(works));
    expect(answers).toBe(works.length);
  });

  it('gives ranges in the order of bytes, either way, limited', async () => {
    const { machine, state } = await opened(3);
    await machine.finish(writes(state, 'b', 'a', '\xff', 'c', 'ab', '\x01'));
    const range = (of: KeyRange): Promise<string> => machine.finish(collect(state, of));
    expect(await range({})).toBe('\x01 a ab b c \xff');
    expect(await range({ from: key('a'), to: key('c') })).toBe('a ab b');
    expect(await range({ from: key('a'), to: key('c'), reverse: true })).toBe('b ab a');
    expect(await range({ from: key('a'), to: key('c'), reverse: true, limit: 1 })).toBe('b');
    expect(await range({ from: key('aa'), limit: 2 })).toBe('ab b');
    expect(await range({ from: key('c'), to: key('a') })).toBe('');
    expect(await range({ limit: 0 })).toBe('');
  });

  it('reads a long range in pages, other things happening between them, from one moment', async () => {
    const { machine, state } = await opened(4);
    const names = Array.from({ length: 1_000 }, (_, at) => `k${String(at).padStart(4, '0')}`);
    await machine.finish(writes(state, ...names));
    for (const reverse of [false, true]) {
      const range = collect(state, { reverse });
      const steps = machine.scheduler.steps;
      const write = state.write([[key('k0500x'), key('')]], names.map(key));
      expect(await machine.finish(range)).toBe((reverse ? [...names].reverse() : names).join(' '));
      expect(machine.scheduler.steps - steps).toBeGreaterThanOrEqual(5);
      await machine.finish(write);
      expect(await machine.finish(collect(state))).toBe('k0500x');
      await machine.finish(state.write([], [key('k0500x')]));
      await machine.finish(writes(state, ...names));
    }
  });

  it('is closed after what was asked before, and then refuses', async () => {
    const machine = new Machine(7);
    const store = new SimKeyedState(machine.scheduler, machine.random, SLOW_WRITES);
    const state = await machine.finish(store.mount(machine.process));
    let written = false;
    void writes(state, 'a').then(() => {
      written = true;
    });
    await machine.finish(state.close());
    expect(written).toBe(true);
    await machine.finish(state.close());
    await expect(machine.finish(state.get(key('a')))).rejects.toThrow('closed');
    const again = await machine.finish(store.mount(machine.process));
    expect(await machine.finish(collect(again))).toBe('a');
  });

  it('keeps a second process out while the first lives, paused or not', async () => {
    const { machine, state } = await opened(5);
    machine.process.pause();
    const second = machine.another();
    const refused = machine.finish(machine.keyed.mount(second, '/data/state'));
    await expect(refused).rejects.toThrow(StorageError);
    await expect(refused).rejects.toMatchObject({ code: 'LOCKED', message: expect.stringContaining('/data/state') });
    machine.process.resume();
    await machine.finish(state.close());
    await machine.finish(machine.keyed.mount(second, '/data/state'));
    await expect(machine.finish(machine.keyed.mount(machine.process))).rejects.toMatchObject({ code: 'LOCKED' });
    second.kill();
    await machine.finish(machine.keyed.mount(machine.process));
  });
});

describe('after the death of a process', () => {
  it('every batch is there, and one in flight is or is not', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1) {
      const { machine, state } = await opened(seed);
      await machine.finish(writes(state, 'a'));
      void writes(state, 'b', 'c');
      machine.crash('process');
      found.add(await contents(machine));
    }
    expect([...found].sort()).toEqual(['a', 'a b c']);
  });

  it('alone, the store goes on for the next', async () => {
    for (let seed = 0; seed < 10; seed += 1) {
      const machine = new Machine(seed);
      const store = new SimKeyedState(machine.scheduler, machine.random, SLOW_WRITES);
      void writes(await machine.finish(store.mount(machine.process)), 'a');
      machine.process.kill();
      const next = await machine.finish(store.mount(machine.another()));
      const before = await machine.finish(collect(next));
      await machine.passes(1_000);
      expect(await machine.finish(collect(next))).toBe(before);
    }
  });

  it('nothing of it happens any more', async () => {
    const { machine, state } = await opened(6);
    void writes(state, 'a');
    machine.crash('process');
    const before = await contents(machine);
    await machine.passes(1_000);
    machine.crash('process');
    expect(await contents(machine)).toBe(before);
  });
});

describe('after a power cut', () => {
  it('there are batches in a row, at least what was synced, or nothing', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 150; seed += 1) {
      const { machine, state } = await opened(seed);
      await machine.finish(writes(state, 'a'));
      await machine.finish(writes(state, 'b'));
      await machine.finish(state.sync());
      await machine.finish(writes(state, 'c', 'd'));
      await machine.finish(state.write([[key('e'), key('e')]], [key('a')]));
      machine.crash('power');
      found.add(await contents(machine));
    }
    expect([...found].sort()).toEqual(['', 'a b', 'a b c d', 'b c d e']);
  });

  it('a sync keeps what was written before it began', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 150; seed += 1) {
      const { machine, state } = await opened(seed);
      await machine.finish(writes(state, 'a'));
      const sync = state.sync();
      await machine.finish(writes(state, 'b'));
      await machine.finish(sync);
      machine.crash('power');
      found.add(await contents(machine));
    }
    expect([...found].sort()).toEqual(['', 'a', 'a b']);
  });

  it('what was closed in good order is whole', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const { machine, state } = await opened(seed);
      await machine.finish(writes(state, 'a'));
      await machine.finish(state.close());
      machine.crash('power');
      expect(await contents(machine)).toBe('a');
    }
  });

  it('is the same for a seed', async () => {
    const life = async (seed: number): Promise<string> => {
      const { machine, state } = await opened(seed);
      for (let batch = 0; batch < 20; batch += 1) await machine.finish(writes(state, `k${machine.random.between(0, 1_000)}`));
      machine.crash('power');
      return `${await contents(machine)} ${machine.trace.fingerprint}`;
    };
    const lives = await Promise.all([1, 2, 3, 4, 5].map(life));
    expect(await Promise.all([1, 2, 3, 4, 5].map(life))).toEqual(lives);
    expect(new Set(lives).size).toBe(5);
  });
});

describe('compared with a plain map', () => {
  type Command =
    | { readonly type: 'write'; readonly puts: readonly string[]; readonly deletes: readonly string[] }
    | { readonly type: 'range'; readonly from?: string; readonly to?: string; readonly reverse: boolean; readonly limit?: number }
    | { readonly type: 'sync' | 'kill' | 'powerCut' | 'reopen' };

  const name = fc.stringMatching(/^[a-d]{1,3}$/);
  const commands = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          type: fc.constant('write'),
          puts: fc.array(name, { maxLength: 6 }),
          deletes: fc.array(name, { maxLength: 3 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record(
          { type: fc.constant('range'), from: name, to: name, reverse: fc.boolean(), limit: fc.nat(10) },
          { requiredKeys: ['type', 'reverse'] },
        ),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('sync', 'kill', 'powerCut', 'reopen') }) },
    ) as fc.Arbitrary<Command>,
    { maxLength: 40 },
  );

  const text = (map: ReadonlyMap<string, string>): string => [...map].sort().join(' ');

  async function all(machine: Machine, state: KeyedState, range: KeyRange): Promise<[string, string][]> {
    const read = async (): Promise<[string, string][]> => {
      const pairs: [string, string][] = [];
      for await (const [at, value] of state.range(range)) pairs.push([at.toString(), value.toString()]);
      return pairs;
    };
    return machine.finish(read());
  }

  it('it reads the same, and after a power cut is one of its former selves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), commands, async (seed, list) => {
        const machine = new Machine(seed);
        let state = await open(machine);
        let versions: Map<string, string>[] = [new Map()];
        let written = 0;
        for (const command of list) {
          const now = versions.at(-1) as Map<string, string>;
          if (command.type === 'write') {
            const next = new Map(now);
            written += 1;
            const puts = command.puts.map((put, at) => [put, `${written}.${at}`] as const);
            for (const [put, value] of puts) next.set(put, value);
            for (const removed of command.deletes) next.delete(removed);
            await machine.finish(
              state.write(
                puts.map(([put, value]) => [key(put), key(value)]),
                command.deletes.map(key),
              ),
            );
            versions.push(next);
          } else if (command.type === 'range') {
            const { from, to, reverse, limit } = command;
            const inside = [...now].filter(([at]) => (from === undefined || at >= from) && (to === undefined || at < to)).sort();
            if (reverse) inside.reverse();
            const range = { from: from && key(from), to: to && key(to), reverse, limit } as KeyRange;
            expect(await all(machine, state, range)).toEqual(inside.slice(0, limit));
          } else if (command.type === 'sync') {
            await machine.finish(state.sync());
            versions = [now];
          } else {
            if (command.type === 'reopen') await machine.finish(state.close());
            machine.crash(command.type === 'kill' ? 'process' : 'power');
            state = await open(machine);
            const found = new Map(await all(machine, state, {}));
            const allowed = command.type === 'powerCut' ? [new Map(), ...versions] : [now];
            expect(allowed.map(text)).toContain(text(found));
            versions = command.type === 'kill' ? versions : [found];
          }
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
