/** The disk compared with the plainest idea of one: for each sector, a list of what a power cut may leave there. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DiskFile } from '../../../src/storage/disk.ts';
import { Machine } from './machine.ts';
import { SECTOR_BYTES } from './power-cut.ts';

const PATH = '/file';
const SECTORS = 8;

type Command =
  | { readonly type: 'write' | 'writeDurably'; readonly position: number; readonly length: number }
  | { readonly type: 'sync' | 'failedSync' | 'kill' | 'powerCut' };

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: writes('write') },
    { weight: 2, arbitrary: writes('writeDurably') },
    { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('sync', 'failedSync', 'kill', 'powerCut', 'powerCut') }) },
  ) as fc.Arbitrary<Command>,
  { maxLength: 30 },
);

function writes<Type extends string>(type: Type): fc.Arbitrary<{ type: Type; position: number; length: number }> {
  const most = SECTORS * SECTOR_BYTES;
  return fc
    .record({ type: fc.constant(type), position: fc.nat(most - 1), length: fc.integer({ min: 1, max: 3 * SECTOR_BYTES }) })
    .map((write) => ({ ...write, length: Math.min(write.length, most - write.position) }));
}

class Model {
  cached = Buffer.alloc(SECTORS * SECTOR_BYTES);
  size = 0;
  durableSize = 0;
  /** What is on the disk first. A clean sector has nothing else. */
  may: Buffer[][] = Array.from({ length: SECTORS }, () => [Buffer.alloc(SECTOR_BYTES)]);

  write(position: number, bytes: Buffer): void {
    bytes.copy(this.cached, position);
    this.size = Math.max(this.size, position + bytes.length);
    for (const sector of touched(position, bytes.length)) this.may[sector]?.push(this.sector(sector));
  }

  sync(sectors: readonly number[]): void {
    // A sector without unsynced writes is clean, even if a failed sync only says so.
    for (const sector of sectors) if ((this.may[sector] as Buffer[]).length > 1) this.may[sector] = [this.sector(sector)];
    this.durableSize = this.size;
  }

  failedSync(): void {
    this.may = this.may.map(([durable]) => [durable as Buffer]);
  }

  powerCut(found: Buffer): void {
    expect(found.length).toBeGreaterThanOrEqual(this.durableSize);
    expect(found.length).toBeLessThanOrEqual(this.size);
    const full = Buffer.concat([found, Buffer.alloc(this.cached.length - found.length)]);
    for (const [sector, images] of this.may.entries()) {
      const bytes = full.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      const visible = Math.max(0, Math.min(SECTOR_BYTES, found.length - sector * SECTOR_BYTES));
      expect(images.some((image) => image.subarray(0, visible).equals(bytes.subarray(0, visible)))).toBe(true);
      this.may[sector] = [Buffer.from(bytes)];
    }
    this.cached = full;
    this.size = found.length;
    this.durableSize = found.length;
  }

  sector(at: number): Buffer {
    return Buffer.from(this.cached.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES));
  }
}

const ALL = Array.from({ length: SECTORS }, (_, at) => at);

function touched(position: number, length: number): number[] {
  return ALL.filter((sector) => sector * SECTOR_BYTES < position + length && (sector + 1) * SECTOR_BYTES > position);
}

async function open(machine: Machine): Promise<DiskFile> {
  const disk = machine.disk.mount(machine.process);
  return machine.finish(disk.open(PATH, { create: !machine.disk.files().includes(PATH) }));
}

async function obey(machine: Machine, file: DiskFile, model: Model, command: Command): Promise<void> {
  switch (command.type) {
    case 'write':
    case 'writeDurably': {
      const bytes = machine.random.bytes(command.length);
      await machine.finish(file[command.type](command.position, [bytes.subarray(0, 1), bytes.subarray(1)]));
      model.write(command.position, bytes);
      if (command.type === 'writeDurably') model.sync(touched(command.position, command.length));
      return;
    }
    case 'sync':
      await machine.finish(file.sync());
      return model.sync(ALL);
    case 'failedSync':
      machine.disk.failNextSync();
      await expect(machine.finish(file.sync())).rejects.toMatchObject({ code: 'EIO' });
      return model.failedSync();
    case 'kill':
      return machine.crash('process');
    case 'powerCut':
      machine.crash('power');
      return model.powerCut(machine.disk.cachedBytes(PATH));
  }
}

test('reads what was written, and finds after a power cut only what may be there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), commands, async (seed, list) => {
      const machine = new Machine(seed);
      const model = new Model();
      let file = await open(machine);
      for (const command of list) {
        await obey(machine, file, model, command);
        if (command.type === 'kill' || command.type === 'powerCut') file = await open(machine);
        const read = await machine.finish(file.read(0, SECTORS * SECTOR_BYTES));
        expect(read.equals(model.cached.subarray(0, model.size))).toBe(true);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});
