import { describe, expect, it } from 'vitest';
import type { DiskFile } from '../../../src/storage/disk.ts';
import { Machine } from './machine.ts';

const PATH = '/data/file';

/** An empty file, open. */
async function openNew(machine: Machine, path = PATH): Promise<DiskFile> {
  const disk = machine.disk.mount(machine.process);
  await machine.finish(disk.makeDirectory('/data'));
  return machine.finish(disk.open(path, { create: true }));
}

describe('files', () => {
  it('hold what was written, with zeros where nothing was, and give copies', async () => {
    const machine = new Machine(1);
    const file = await openNew(machine);
    await machine.finish(file.write(700, [Buffer.from('ab'), Buffer.from('cd')]));
    expect(await machine.finish(file.size())).toBe(704);
    const bytes = await machine.finish(file.read(698, 100));
    expect(bytes.toString('latin1')).toBe('\0\0abcd');
    bytes.fill(1);
    expect((await machine.finish(file.read(700, 4))).toString()).toBe('abcd');
    expect(await machine.finish(file.read(704, 10))).toHaveLength(0);
    expect(machine.disk.usedBytes).toBe(704);
  });

  it('never answer at once, and later for each', async () => {
    const machine = new Machine(2);
    const file = await openNew(machine);
    const before = machine.scheduler.nowMs;
    let answered = false;
    const write = file.writeDurably(0, [Buffer.from('a')]).then(() => {
      answered = true;
    });
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(answered).toBe(false);
    await machine.finish(write);
    expect(machine.scheduler.nowMs).toBeGreaterThan(before + 0.1);
  });

  it('refuse what an operating system refuses', async () => {
    const machine = new Machine(3);
    const file = await openNew(machine);
    const disk = machine.disk.mount(machine.process);
    await expect(machine.finish(disk.open(PATH, { create: true }))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(machine.finish(disk.open('/data/none', { create: false }))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(machine.finish(disk.open('/none/file', { create: true }))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(machine.finish(disk.rename('/data/none', '/data/other'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(machine.finish(disk.remove('/data/none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await machine.finish(file.close());
    await machine.finish(file.close());
    for (const use of [() => file.size(), () => file.read(0, 1), () => file.write(0, [Buffer.from('a')]), () => file.sync()])
      await expect(machine.finish<unknown>(use())).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('stop the run when one is renamed while it is open', async () => {
    const machine = new Machine(4);
    await openNew(machine);
    const disk = machine.disk.mount(machine.process);
    await expect(machine.finish(disk.rename(PATH, '/data/other'))).rejects.toThrow('while it is open');
    expect(machine.disk.files()).toEqual([PATH]);
  });

  it('that are closed may be renamed', async () => {
    const machine = new Machine(4);
    const file = await openNew(machine);
    await machine.finish(file.close());
    await machine.finish(machine.disk.mount(machine.process).rename(PATH, '/data/other'));
    expect(machine.disk.files()).toEqual(['/data/other']);
  });

  it('of a dead process do not count as open', async () => {
    const machine = new Machine(5);
    await openNew(machine);
    machine.crash('process');
    await machine.finish(machine.disk.mount(machine.process).rename(PATH, '/data/other'));
    expect(machine.disk.files()).toEqual(['/data/other']);
  });
});

describe('names', () => {
  it('are made, listed, replaced, renamed and removed', async () => {
    const machine = new Machine(6);
    const disk = machine.disk.mount(machine.process);
    await machine.finish(disk.makeDirectory('/data/log'));
    await machine.finish(disk.replaceFile('/data/log/b', Buffer.from('one')));
    await machine.finish(disk.replaceFile('/data/log/b', Buffer.from('two')));
    await machine.finish(disk.replaceFile('/data/log/a', Buffer.from('three')));
    expect(await machine.finish(disk.list('/data/log'))).toEqual(['a', 'b']);
    expect(await machine.finish(disk.list('/data'))).toEqual(['log']);
    expect(await machine.finish(disk.list('/none'))).toEqual([]);
    expect((await machine.finish(disk.readFile('/data/log/b')))?.toString()).toBe('two');
    expect(await machine.finish(disk.readFile('/data/log/c'))).toBeUndefined();
    await machine.finish(disk.rename('/data/log/b', '/data/log/c'));
    await machine.finish(disk.remove('/data/log/a'));
    expect(machine.disk.files()).toEqual(['/data/log/c']);
    expect(machine.disk.durableBytes('/data/log/c').toString()).toBe('two');
  });
});

describe('a process', () => {
  it('that is paused hears later what the disk did at its time', async () => {
    const machine = new Machine(7);
    const file = await openNew(machine);
    let heard = false;
    const write = file.writeDurably(0, [Buffer.from('abc')]).then(() => {
      heard = true;
    });
    machine.process.pause();
    await machine.passes(1_000);
    expect(heard).toBe(false);
    expect(machine.disk.durableBytes(PATH).toString()).toBe('abc');
    machine.process.resume();
    await machine.finish(write);
  });

  it('that is dead hears nothing, and asks nothing', async () => {
    const machine = new Machine(8);
    const file = await openNew(machine);
    const disk = machine.disk.mount(machine.process);
    let heard = 0;
    const hears = (): void => {
      heard += 1;
    };
    void file.writeDurably(0, [Buffer.from('abc')]).then(hears, hears);
    machine.crash('process');
    void file.size().then(hears, hears);
    void disk.remove(PATH).then(hears, hears);
    await machine.passes(1_000);
    expect(heard).toBe(0);
    expect(machine.disk.files()).toEqual([PATH]);
  });
});

describe('a seed', () => {
  /** Writes, syncs, faults and crashes, without waiting for each other. */
  async function busyLife(
    seed: number,
  ): Promise<{ readonly fingerprint: string; readonly faults: unknown; readonly bytes: string }> {
    const machine = new Machine(seed);
    const { random, disk } = machine;
    for (let life = 0; life < 6; life += 1) {
      const mounted = disk.mount(machine.process);
      await machine.finish(mounted.makeDirectory('/data'));
      const exists = disk.files().includes(PATH);
      const file = await machine.finish(mounted.open(PATH, { create: !exists }));
      for (let step = 0; step < 20; step += 1) {
        const bytes = random.bytes(random.between(1, 3_000));
        const write = random.pick([file.write, file.writeDurably]);
        for (const work of [write(random.between(0, 20_000), [bytes]), file.sync(), mounted.replaceFile('/data/small', bytes)])
          work.catch(() => {});
        if (random.chance(0.2)) disk.failNextSync();
        if (random.chance(0.2)) disk.loseNextWrite();
        await machine.passes(random.fraction());
      }
      machine.crash(random.pick(['power', 'process']));
    }
    const bytes = disk
      .files()
      .map((path) => `${path} ${disk.cachedBytes(path).toString('hex')} ${disk.durableBytes(path).toString('hex')}`);
    return { fingerprint: machine.trace.fingerprint, faults: machine.faults, bytes: bytes.join('\n') };
  }

  it('gives the same bytes, the same faults and the same trace, and another one others', async () => {
    const first = await busyLife(1);
    expect(first.faults).not.toEqual([]);
    expect(await busyLife(1)).toEqual(first);
    const other = await busyLife(2);
    expect(other.fingerprint).not.toBe(first.fingerprint);
    expect(other.bytes).not.toBe(first.bytes);
  });
});
