import { describe, expect, it } from 'vitest';
import type { Disk, DiskFile } from '../../../src/storage/disk.ts';
import { Machine } from './machine.ts';
import { SECTOR_BYTES } from './power-cut.ts';

const PATH = '/data/file';
const OTHER = '/data/other';

interface Started {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly file: DiskFile;
}

/** Two durable files of four sectors: `a` in the open one, `o` in the other. */
async function started(seed = 1): Promise<Started> {
  const machine = new Machine(seed);
  const disk = machine.disk.mount(machine.process);
  await machine.finish(disk.makeDirectory('/data'));
  await machine.finish(disk.replaceFile(OTHER, sectors('oooo')));
  const file = await machine.finish(disk.open(PATH, { create: true }));
  await machine.finish(file.writeDurably(0, [sectors('aaaa')]));
  return { machine, disk, file };
}

function sectors(letters: string): Buffer {
  return Buffer.concat([...letters].map((letter) => Buffer.alloc(SECTOR_BYTES, letter)));
}

/** The first byte of each sector. */
function letters(bytes: Buffer): string {
  let found = '';
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) found += bytes[at] === 0 ? '0' : String.fromCharCode(bytes[at] as number);
  return found;
}

/** In the page cache and on the disk. */
function images({ disk }: Machine, path = PATH): string {
  return `${letters(disk.cachedBytes(path))} ${letters(disk.durableBytes(path))}`;
}

describe('an unreadable sector', () => {
  it('fails reads, and writes of a part of it, until it is written whole and that is durable', async () => {
    const { machine, disk, file } = await started();
    machine.disk.makeUnreadable(PATH, SECTOR_BYTES + 10);
    await expect(machine.finish(file.read(0, 4 * SECTOR_BYTES))).rejects.toMatchObject({ code: 'EIO' });
    await expect(machine.finish(file.read(2 * SECTOR_BYTES - 1, 1))).rejects.toMatchObject({ code: 'EIO' });
    await expect(machine.finish(disk.readFile(PATH))).rejects.toMatchObject({ code: 'EIO' });
    expect(letters(await machine.finish(file.read(2 * SECTOR_BYTES, SECTOR_BYTES)))).toBe('a');
    await expect(machine.finish(file.write(SECTOR_BYTES + 1, [sectors('b')]))).rejects.toMatchObject({ code: 'EIO' });
    await machine.finish(file.write(SECTOR_BYTES, [sectors('b')]));
    expect(letters(await machine.finish(file.read(0, 4 * SECTOR_BYTES)))).toBe('abaa');
    await machine.finish(file.sync());
    machine.crash('power');
    const again = await machine.finish(machine.disk.mount(machine.process).open(PATH, { create: false }));
    expect(letters(await machine.finish(again.read(0, 4 * SECTOR_BYTES)))).toBe('abaa');
  });
});

describe('a failed sync', () => {
  it('fails once; what it should have written is called clean, and no later sync makes it durable', async () => {
    const { machine, file } = await started();
    await machine.finish(file.write(0, [sectors('bb')]));
    machine.disk.failNextSync();
    await expect(machine.finish(file.sync())).rejects.toMatchObject({ code: 'EIO' });
    expect(images(machine)).toBe('bbaa aaaa');
    await machine.finish(file.sync());
    expect(images(machine)).toBe('bbaa aaaa');
    expect(machine.faults).toEqual([{ kind: 'syncFailed', path: PATH, sectors: 2 }]);
    machine.crash('process');
    expect(images(machine)).toBe('bbaa aaaa');
    machine.crash('power');
    expect(images(machine)).toBe('aaaa aaaa');
  });

  it('strikes a durable write too, and writing again mends it', async () => {
    const { machine, file } = await started();
    machine.disk.failNextSync();
    await expect(machine.finish(file.writeDurably(0, [sectors('bb')]))).rejects.toMatchObject({ code: 'EIO' });
    expect(images(machine)).toBe('bbaa aaaa');
    await machine.finish(file.writeDurably(SECTOR_BYTES, [Buffer.from('b')]));
    expect(images(machine)).toBe('bbaa abaa');
  });

  it('leaves what was written while it ran to the next one', async () => {
    const { machine, file } = await started();
    await machine.finish(file.write(0, [sectors('bb')]));
    const sync = file.sync();
    await machine.finish(file.write(0, [sectors('c')]));
    machine.disk.failNextSync();
    await expect(machine.finish(sync)).rejects.toMatchObject({ code: 'EIO' });
    await machine.finish(file.sync());
    expect(images(machine)).toBe('cbaa caaa');
  });

  it('keeps a replaced file as it was, with the temporary one beside it', async () => {
    const { machine, disk } = await started();
    machine.disk.failNextSync();
    await expect(machine.finish(disk.replaceFile(OTHER, sectors('n')))).rejects.toMatchObject({ code: 'EIO' });
    expect(images(machine, OTHER)).toBe('oooo oooo');
    expect(machine.disk.files()).toContain(`${OTHER}.tmp`);
    await machine.finish(disk.replaceFile(OTHER, sectors('n')));
    expect(images(machine, OTHER)).toBe('n n');
    expect(machine.disk.files()).toEqual([PATH, OTHER]);
  });

  it('shows what is on the disk once the cache is dropped, unsynced bytes apart', async () => {
    const { machine, file } = await started();
    await machine.finish(file.write(0, [sectors('bb')]));
    machine.disk.failNextSync();
    await expect(machine.finish(file.sync())).rejects.toMatchObject({ code: 'EIO' });
    await machine.finish(file.write(3 * SECTOR_BYTES, [sectors('c')]));
    machine.disk.dropCache();
    expect(images(machine)).toBe('aaac aaaa');
  });
});

describe('a failed write', () => {
  it('fails once, after a part of its bytes', async () => {
    const written = new Set<number>();
    for (let seed = 1; seed <= 50; seed += 1) {
      const { machine, file } = await started(seed);
      machine.disk.failNextWrite();
      await expect(machine.finish(file.write(0, [sectors('bbb')]))).rejects.toMatchObject({ code: 'EIO' });
      const fault = machine.faults[0];
      if (fault?.kind !== 'writeFailed') throw new Error('it is recorded');
      expect(machine.disk.cachedBytes(PATH).lastIndexOf('b') + 1).toBe(fault.written);
      expect(fault).toEqual({ kind: 'writeFailed', path: PATH, position: 0, length: 3 * SECTOR_BYTES, written: fault.written });
      written.add(fault.written);
      await machine.finish(file.write(0, [sectors('bbb')]));
    }
    expect(written.size).toBeGreaterThan(10);
  });
});

describe('a full disk', () => {
  it('takes what fits, refuses the rest, and has room again when it is made', async () => {
    const { machine, disk, file } = await started();
    machine.disk.setCapacity(machine.disk.usedBytes + 700);
    const write = file.write(3 * SECTOR_BYTES, [sectors('bb'), sectors('b')]);
    await expect(machine.finish(write)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(machine.disk.cachedBytes(PATH)).toHaveLength(4 * SECTOR_BYTES + 700);
    const struck = {
      kind: 'diskFull',
      path: PATH,
      position: 3 * SECTOR_BYTES,
      length: 3 * SECTOR_BYTES,
      written: SECTOR_BYTES + 700,
    };
    expect(machine.faults.at(-1)).toEqual(struck);
    await machine.finish(file.writeDurably(0, [sectors('cccc')]));
    await expect(machine.finish(disk.replaceFile(OTHER, sectors('n')))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(images(machine, OTHER)).toBe('oooo oooo');
    await machine.finish(disk.remove(`${OTHER}.tmp`));
    await machine.finish(disk.remove(OTHER));
    await machine.finish(file.write(4 * SECTOR_BYTES, [sectors('bb')]));
    expect(machine.disk.usedBytes).toBe(6 * SECTOR_BYTES);
  });
});

describe('a slow disk', () => {
  it('does nothing while it stalls, not even what was on its way', async () => {
    const { machine, file } = await started();
    const startMs = machine.scheduler.nowMs;
    const works = [
      file.sync(),
      file.size(),
      file.writeDurably(0, [sectors('b')]),
      machine.disk.mount(machine.process).list('/data'),
    ];
    machine.disk.stallUntil(startMs + 500);
    await machine.passes(499);
    expect(images(machine)).toBe('aaaa aaaa');
    await machine.finish(Promise.race<unknown>(works));
    expect(machine.scheduler.nowMs).toBeGreaterThanOrEqual(startMs + 500);
    await machine.finish(Promise.all<unknown>(works));
    expect(machine.scheduler.nowMs).toBeLessThan(startMs + 550);
    expect(images(machine)).toBe('baaa baaa');
  });

  it('takes so many times as long', async () => {
    const took = async (factor: number): Promise<number> => {
      const { machine, file } = await started();
      machine.disk.slow(factor);
      const startMs = machine.scheduler.nowMs;
      for (let write = 0; write < 50; write += 1) await machine.finish(file.writeDurably(0, [sectors('b')]));
      return machine.scheduler.nowMs - startMs;
    };
    expect((await took(20)) / (await took(1))).toBeCloseTo(20);
  });
});

describe('a disk that lies', () => {
  it('loses a write: acknowledged, read back, and gone with the page cache', async () => {
    const { machine, file } = await started();
    machine.disk.loseNextWrite();
    await machine.finish(file.writeDurably(SECTOR_BYTES, [sectors('b')]));
    await machine.finish(file.writeDurably(2 * SECTOR_BYTES, [sectors('b')]));
    await machine.finish(file.sync());
    expect(images(machine)).toBe('abba aaba');
    expect(machine.faults).toEqual([{ kind: 'writeLost', path: PATH, position: SECTOR_BYTES, length: SECTOR_BYTES }]);
    machine.crash('power');
    expect(images(machine)).toBe('aaba aaba');
  });

  it('puts a write at the wrong position, in whole sectors', async () => {
    const { machine, file } = await started();
    machine.disk.misdirectNextWrite({ position: 2 * SECTOR_BYTES + 7 });
    await machine.finish(file.writeDurably(10, [sectors('b')]));
    expect(machine.faults[0]).toMatchObject({ position: 10, toPosition: 2 * SECTOR_BYTES });
    const durable = machine.disk.durableBytes(PATH);
    expect(durable.subarray(0, 2 * SECTOR_BYTES).equals(sectors('aa'))).toBe(true);
    const landed = Buffer.concat([Buffer.alloc(10, 'a'), Buffer.alloc(SECTOR_BYTES, 'b'), Buffer.alloc(SECTOR_BYTES - 10, 'a')]);
    expect(durable.subarray(2 * SECTOR_BYTES).equals(landed)).toBe(true);
    // Who reads the right place still sees what was written; who reads the wrong one sees the damage.
    const cached = machine.disk.cachedBytes(PATH);
    expect(cached.equals(Buffer.concat([landed, landed]))).toBe(true);
    machine.crash('power');
    expect(machine.disk.cachedBytes(PATH).equals(durable)).toBe(true);
  });

  it('puts a write into another file, or beyond all of them', async () => {
    const { machine, file } = await started();
    machine.disk.misdirectNextWrite({ path: OTHER });
    await machine.finish(file.writeDurably(SECTOR_BYTES, [sectors('b')]));
    expect([images(machine), images(machine, OTHER)]).toEqual(['abaa aaaa', 'oboo oboo']);
    machine.disk.misdirectNextWrite({ path: OTHER, position: 100 * SECTOR_BYTES });
    await machine.finish(file.writeDurably(0, [sectors('c')]));
    expect([images(machine), images(machine, OTHER)]).toEqual(['cbaa aaaa', 'oboo oboo']);
    machine.disk.misdirectNextWrite({ path: '/data/none' });
    await machine.finish(file.writeDurably(0, [sectors('d')]));
    expect(images(machine)).toBe('dbaa aaaa');
    expect(machine.faultKinds).toEqual(['writeMisdirected', 'writeMisdirected', 'writeMisdirected']);
    expect(machine.faults[0]).toMatchObject({ path: PATH, position: SECTOR_BYTES, toPath: OTHER, toPosition: SECTOR_BYTES });
  });

  it('strikes one write for each time it was told to, in that order', async () => {
    const { machine, file } = await started();
    machine.disk.loseNextWrite();
    machine.disk.failNextWrite();
    await machine.finish(file.writeDurably(0, [sectors('b')]));
    await expect(machine.finish(file.writeDurably(0, [sectors('b')]))).rejects.toMatchObject({ code: 'EIO' });
    await machine.finish(file.writeDurably(0, [sectors('b')]));
    expect(machine.faultKinds).toEqual(['writeLost', 'writeFailed']);
    expect(images(machine)).toBe('baaa baaa');
  });
});

describe('a medium that rots', () => {
  it('flips a bit, for the reader too', async () => {
    const { machine, file } = await started();
    machine.disk.flipBit(PATH, 600, 1);
    const bytes = await machine.finish(file.read(0, 4 * SECTOR_BYTES));
    const expected = sectors('aaaa');
    expected[600] = 'c'.charCodeAt(0);
    expect(bytes.equals(expected)).toBe(true);
    expect(machine.disk.durableBytes(PATH).equals(expected)).toBe(true);
    expect(() => machine.disk.flipBit(PATH, 4 * SECTOR_BYTES, 1)).toThrow('no byte');
  });

  it('zeroes a sector; one that is not synced yet hides it, and mends it', async () => {
    const { machine, file } = await started();
    await machine.finish(file.write(SECTOR_BYTES, [sectors('b')]));
    machine.disk.zeroSector(PATH, 100);
    machine.disk.zeroSector(PATH, SECTOR_BYTES + 100);
    expect(images(machine)).toBe('0baa 00aa');
    await machine.finish(file.sync());
    expect(images(machine)).toBe('0baa 0baa');
    expect(machine.faults[1]).toEqual({ kind: 'sectorZeroed', path: PATH, position: SECTOR_BYTES });
  });

  it('loses a name, or everything, for good', async () => {
    const { machine, disk, file } = await started();
    machine.disk.loseFile(OTHER);
    expect(await machine.finish(disk.list('/data'))).toEqual(['file']);
    expect(await machine.finish(disk.readFile(OTHER))).toBeUndefined();
    machine.disk.wipe();
    await machine.finish(file.writeDurably(0, [sectors('b')]));
    machine.crash('power');
    expect(machine.disk.files()).toEqual([]);
    expect(machine.disk.usedBytes).toBe(0);
    expect(machine.faultKinds).toEqual(['fileLost', 'wiped', 'powerCut']);
  });
});

describe('calm', () => {
  it('ends what goes on and forgets what has not struck', async () => {
    const { machine, file } = await started();
    const startMs = machine.scheduler.nowMs;
    machine.disk.stallUntil(startMs + 10_000);
    machine.disk.slow(1_000);
    machine.disk.setCapacity(0);
    machine.disk.failNextSync();
    machine.disk.loseNextWrite();
    machine.disk.calm();
    await machine.finish(file.writeDurably(4 * SECTOR_BYTES, [sectors('b')]));
    expect(images(machine)).toBe('aaaab aaaab');
    expect(machine.scheduler.nowMs).toBeLessThan(startMs + 100);
    expect(machine.lines.some((line) => line.includes('disk') && line.includes('is slowed down by 1000'))).toBe(true);
  });
});
