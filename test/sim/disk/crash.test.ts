import { describe, expect, it } from 'vitest';
import type { Disk, DiskFile } from '../../../src/storage/disk.ts';
import { Machine } from './machine.ts';
import { POWER_CUT_PROFILES, SECTOR_BYTES } from './power-cut.ts';

const PATH = '/data/file';

interface Started {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly file: DiskFile;
}

/** A file of three durable sectors of `a`. */
async function started(seed: number): Promise<Started> {
  const machine = new Machine(seed);
  const disk = machine.disk.mount(machine.process);
  await machine.finish(disk.makeDirectory('/data'));
  const file = await machine.finish(disk.open(PATH, { create: true }));
  await machine.finish(file.writeDurably(0, [sectors('aaa')]));
  return { machine, disk, file };
}

/** A sector of each letter. */
function sectors(letters: string): Buffer {
  return Buffer.concat([...letters].map((letter) => Buffer.alloc(SECTOR_BYTES, letter)));
}

/** A letter for each sector that is all of one, `0` for zeros, and the length of a part at the end. */
function letters(bytes: Buffer): string {
  let found = '';
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES);
    const first = sector[0] as number;
    const even = sector.every((byte) => byte === first);
    found += even ? (first === 0 ? '0' : String.fromCharCode(first)) : '?';
    if (sector.length < SECTOR_BYTES) found += `(${sector.length})`;
  }
  return found;
}

/** What many seeds give, sorted, each once. Both images of the disk must agree after a power cut. */
async function outcomes(seeds: number, life: (begun: Started) => Promise<string> | string): Promise<string[]> {
  const found = new Set<string>();
  for (let seed = 0; seed < seeds; seed += 1) found.add(await life(await started(seed)));
  return [...found].sort();
}

function afterPowerCut({ machine }: Started): string {
  machine.crash('power');
  expect(machine.disk.cachedBytes(PATH).equals(machine.disk.durableBytes(PATH))).toBe(true);
  return letters(machine.disk.cachedBytes(PATH));
}

describe('after a power cut', () => {
  it('what was synced is there, however it was synced', async () => {
    const found = await outcomes(60, async (begun) => {
      const { machine, file } = begun;
      await machine.finish(file.write(0, [sectors('b')]));
      await machine.finish(file.write(3 * SECTOR_BYTES, [sectors('dd')]));
      await machine.finish(file.sync());
      await machine.finish(file.writeDurably(SECTOR_BYTES, [sectors('c')]));
      return afterPowerCut(begun);
    });
    expect(found).toEqual(['bcadd']);
  });

  it('each sector that was not synced is there or not, on its own, and never in part', async () => {
    const found = await outcomes(400, async (begun) => {
      await begun.machine.finish(begun.file.write(0, [sectors('bbb')]));
      return afterPowerCut(begun);
    });
    expect(found).toEqual(['aaa', 'aab', 'aba', 'abb', 'baa', 'bab', 'bba', 'bbb']);
  });

  it('a sector has any of the versions that were in the page cache', async () => {
    const found = await outcomes(200, async (begun) => {
      const { machine, file } = begun;
      for (const letter of 'bcd') await machine.finish(file.write(SECTOR_BYTES, [sectors(letter)]));
      return afterPowerCut(begun);
    });
    expect(found).toEqual(['aaa', 'aba', 'aca', 'ada']);
  });

  it('a file that grew has any size in between, with zeros where data is missing', async () => {
    const found = await outcomes(600, async (begun) => {
      await begun.machine.finish(begun.file.write(3 * SECTOR_BYTES, [sectors('b'), Buffer.alloc(100, 'b')]));
      return afterPowerCut(begun);
    });
    expect(found).toEqual(['aaa', 'aaa0', 'aaa00(100)', 'aaa0b(100)', 'aaab', 'aaab0(100)', 'aaabb(100)']);
  });

  it('a durable write has made its own sectors durable, and no others', async () => {
    const found = await outcomes(100, async (begun) => {
      const { machine, file } = begun;
      await machine.finish(file.write(0, [sectors('bb')]));
      await machine.finish(file.writeDurably(SECTOR_BYTES, [Buffer.alloc(10, 'b')]));
      return afterPowerCut(begun);
    });
    expect(found).toEqual(['aba', 'bba']);
  });

  it('what a sync found written is there, what was written while it ran may be', async () => {
    const found = await outcomes(200, async (begun) => {
      const { machine, file } = begun;
      await machine.finish(file.write(0, [sectors('b')]));
      const sync = file.sync();
      for (const letter of 'cdefghijklmn') await machine.finish(file.write(0, [sectors(letter)]));
      await machine.finish(sync);
      return afterPowerCut(begun);
    });
    expect(found[0]).toBe('baa');
    expect(found.length).toBeGreaterThan(5);
    expect(found.every((left) => /^[b-n]aa$/.test(left))).toBe(true);
  });

  it('nothing older than what a sync found comes back, however often it was written over', async () => {
    const found = await outcomes(200, async (begun) => {
      const { machine, file } = begun;
      for (const letter of 'bcdefghijklmnop') await machine.finish(file.write(0, [sectors(letter)]));
      const sync = file.sync();
      for (const letter of 'qr') await machine.finish(file.write(0, [sectors(letter)]));
      await machine.finish(sync);
      return afterPowerCut(begun);
    });
    expect(found).toContain('paa');
    expect(found).toContain('raa');
    expect(found.every((left) => /^[pqr]aa$/.test(left))).toBe(true);
  });

  it('a durable write in flight is there in any part', async () => {
    const found = await outcomes(500, async (begun) => {
      void begun.file.writeDurably(0, [sectors('bbb')]);
      await begun.machine.passes(begun.machine.random.fraction() * 0.2);
      return afterPowerCut(begun);
    });
    expect(found).toContain('aaa');
    expect(found).toContain('bbb');
    expect(found).toContain('aba');
    expect(found.filter((sector) => !/^[ab]{3}$/.test(sector)).every((sector) => sector.includes('?'))).toBe(true);
  });

  it('each profile is drawn, and says what it did', async () => {
    const drawn = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const begun = await started(seed);
      await begun.machine.finish(begun.file.write(0, [sectors('bbb')]));
      const left = afterPowerCut(begun);
      const fault = begun.machine.faults.at(-1);
      if (fault?.kind !== 'powerCut') throw new Error('a power cut is recorded');
      expect(fault.sectors.kept).toBe([...left].filter((letter) => letter === 'b').length);
      expect(fault.sectors.kept + fault.sectors.lost).toBe(3);
      if (fault.profile === 'allLost') expect(left).toBe('aaa');
      if (fault.profile === 'allKept') expect(left).toBe('bbb');
      if (fault.profile === 'torn') expect(left).toMatch(/^b*a*$/);
      drawn.add(fault.profile);
    }
    expect([...drawn].sort()).toEqual([...POWER_CUT_PROFILES].sort());
  });
});

describe('after the death of a process', () => {
  it('the page cache is there', async () => {
    const found = await outcomes(20, async (begun) => {
      await begun.machine.finish(begun.file.write(0, [sectors('bb')]));
      begun.machine.crash('process');
      expect(letters(begun.machine.disk.durableBytes(PATH))).toBe('aaa');
      return letters(begun.machine.disk.cachedBytes(PATH));
    });
    expect(found).toEqual(['bba']);
  });

  it('a write in flight is there whole, from its beginning to somewhere, or not', async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 100; seed += 1) {
      const { machine, file } = await started(seed);
      void file.write(0, [Buffer.alloc(1_000, 'b')]);
      machine.crash('process');
      const bytes = machine.disk.cachedBytes(PATH);
      const length = bytes.lastIndexOf('b') + 1;
      const expected = Buffer.concat([Buffer.alloc(length, 'b'), Buffer.alloc(3 * SECTOR_BYTES - length, 'a')]);
      expect(bytes.equals(expected)).toBe(true);
      lengths.add(length);
    }
    expect(lengths).toContain(0);
    expect(lengths).toContain(1_000);
    expect(lengths.size).toBeGreaterThan(10);
  });

  it('alone, the disk goes on for others', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const { machine, disk } = await started(seed);
      const other = machine.disk.mount(machine.another());
      void disk.replaceFile('/data/other', Buffer.from('x'));
      const create = other.open('/data/new', { create: true });
      machine.process.kill();
      const left = machine.disk.files();
      await machine.finish(create);
      await machine.passes(1_000);
      expect(machine.disk.files()).toEqual([...left, '/data/new'].sort());
    }
  });

  it('nothing of it happens any more', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const { machine, disk, file } = await started(seed);
      void file.writeDurably(0, [sectors('bbb')]);
      void disk.replaceFile('/data/other', Buffer.from('x'));
      await machine.passes(machine.random.fraction() * 0.5);
      machine.crash('process');
      const state = (): string => [machine.disk.files(), machine.disk.cachedBytes(PATH), machine.disk.durableBytes(PATH)].join('|');
      const before = state();
      await machine.passes(1_000);
      expect(state() === before).toBe(true);
    }
  });
});

describe('a change of names', () => {
  const NEW = '/data/new';

  /** What names a power cut leaves when it strikes at some moment of a change. */
  async function interrupted(change: (begun: Started) => Promise<unknown>): Promise<string[]> {
    return outcomes(200, async (begun) => {
      const { machine } = begun;
      await machine.finish(begun.file.close());
      void change(begun);
      await machine.passes(machine.random.fraction() * 0.4);
      machine.crash('power');
      return machine.disk.files().join(' ');
    });
  }

  it('that was interrupted happened or did not', async () => {
    expect(await interrupted(({ disk }) => disk.open(NEW, { create: true }))).toEqual([PATH, `${PATH} ${NEW}`]);
    expect(await interrupted(({ disk }) => disk.rename(PATH, NEW))).toEqual([PATH, NEW]);
    expect(await interrupted(({ disk }) => disk.remove(PATH))).toEqual(['', PATH]);
  });

  it('that was answered happened', async () => {
    const found = await outcomes(40, async ({ machine, disk, file }) => {
      await machine.finish(file.close());
      await machine.finish(disk.rename(PATH, '/data/moved'));
      await machine.finish(disk.makeDirectory('/data/a/b'));
      await machine.finish(disk.open('/data/a/b/c', { create: true }));
      await machine.finish(disk.replaceFile('/data/d', Buffer.from('d')));
      await machine.finish(disk.replaceFile('/data/e', Buffer.from('e')));
      await machine.finish(disk.remove('/data/d'));
      machine.crash('power');
      expect(letters(machine.disk.durableBytes('/data/moved'))).toBe('aaa');
      expect(machine.disk.durableBytes('/data/e').toString()).toBe('e');
      return machine.disk.files().join(' ');
    });
    expect(found).toEqual(['/data/a/b/c /data/e /data/moved']);
  });

  it('replaces a file whole or not at all, and may leave the temporary one', async () => {
    const found = await outcomes(300, async ({ machine, disk }) => {
      await machine.finish(disk.replaceFile(NEW, Buffer.from('old')));
      void disk.replaceFile(NEW, Buffer.from('newer'));
      await machine.passes(machine.random.fraction());
      machine.crash('power');
      const temporary = machine.disk.files().includes(`${NEW}.tmp`) ? ' and a temporary file' : '';
      return machine.disk.durableBytes(NEW).toString() + temporary;
    });
    expect(found).toEqual(['newer', 'old', 'old and a temporary file']);
  });

  it('by a killed process is seen by the next one, and lost with the power until a directory is synced', async () => {
    const seen = async (synced: string | undefined): Promise<string[]> =>
      outcomes(200, async ({ machine, disk, file }) => {
        await machine.finish(file.close());
        void disk.rename(PATH, NEW);
        machine.crash('process');
        const before = machine.disk.files().join(' ');
        if (synced !== undefined) await machine.finish(machine.disk.mount(machine.process).makeDirectory(synced));
        machine.crash('power');
        return `${before} then ${machine.disk.files().join(' ')}`;
      });
    const unsynced = [`${PATH} then ${PATH}`, `${NEW} then ${PATH}`, `${NEW} then ${NEW}`];
    expect(await seen(undefined)).toEqual(unsynced);
    // It exists: nothing is made, and nothing synced.
    expect(await seen('/data')).toEqual(unsynced);
    expect(await seen('/other')).toEqual([`${PATH} then ${PATH}`, `${NEW} then ${NEW}`]);
  });

  it('and the change of it back are undone in their order', async () => {
    const found = await outcomes(300, async ({ machine, disk, file }) => {
      await machine.finish(file.close());
      void disk.rename(PATH, NEW);
      machine.crash('process');
      void machine.disk.mount(machine.process).rename(NEW, PATH);
      machine.crash('process');
      machine.crash('power');
      const fault = machine.faults.at(-1);
      if (fault?.kind !== 'powerCut') throw new Error('a power cut is recorded');
      return `${fault.names.kept} of ${fault.names.kept + fault.names.undone}: ${machine.disk.files().join(' ')}`;
    });
    const once = [`0 of 1: ${PATH}`, `1 of 1: ${NEW}`];
    expect(found).toEqual([`0 of 0: ${PATH}`, once[0], `0 of 2: ${PATH}`, once[1], `1 of 2: ${NEW}`, `2 of 2: ${PATH}`]);
  });

  it('reaches the disk in the order in which it was made', async () => {
    const found = await outcomes(200, async ({ machine, disk }) => {
      for (const name of 'xyz') {
        void disk.open(`/data/${name}`, { create: true });
        await machine.passes(0.05);
      }
      const made = machine.disk.files().filter((path) => path !== PATH);
      machine.crash('power');
      const kept = machine.disk.files().filter((path) => path !== PATH && made.includes(path));
      return kept.length < made.length ? 'some' : 'all';
    });
    expect(found).toEqual(['all', 'some']);
  });
});
