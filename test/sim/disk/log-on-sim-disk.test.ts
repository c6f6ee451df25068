import { describe, expect, it } from 'vitest';
import type { Disk } from '../../../src/storage/disk.ts';
import { LogLives } from './log-life.ts';
import { Machine } from './machine.ts';

const LIVES = 5;

interface Sum {
  opened: number;
  acknowledged: number;
  trimmed: number;
  resets: number;
  /** Written, never acknowledged, and found. */
  surplus: number;
  keptSectors: number;
  lostSectors: number;
  undoneNames: number;
}

async function live(seeds: number, crash: 'process' | 'power', mounted?: (disk: Disk) => Disk): Promise<Sum> {
  const sum: Sum = {
    opened: 0,
    acknowledged: 0,
    trimmed: 0,
    resets: 0,
    surplus: 0,
    keptSectors: 0,
    lostSectors: 0,
    undoneNames: 0,
  };
  for (let seed = 0; seed < seeds; seed += 1) {
    const machine = new Machine(seed);
    const lives = new LogLives(machine, mounted);
    for (let life = 0; life < LIVES; life += 1) {
      lives.begin();
      await machine.passes(machine.random.exponential(15));
      machine.crash(crash);
    }
    lives.begin();
    const before = lives.opened;
    await machine.passes(100);
    expect(lives.opened).toBe(before + 1);
    count(sum, machine, lives);
  }
  return sum;
}

function count(sum: Sum, machine: Machine, lives: LogLives): void {
  sum.opened += lives.opened;
  sum.acknowledged += lives.acknowledged;
  sum.trimmed += lives.trimmed;
  sum.resets += lives.resets;
  sum.surplus += lives.surplus;
  for (const fault of machine.faults) {
    if (fault.kind !== 'powerCut') continue;
    sum.keptSectors += fault.sectors.kept;
    sum.lostSectors += fault.sectors.lost;
    sum.undoneNames += fault.names.undone;
  }
}

describe('a segmented log on this disk', () => {
  it('has after power cuts at any moment what it acknowledged, and nothing that was not written', async () => {
    const sum = await live(300, 'power');
    for (const happened of Object.values(sum)) expect(happened).toBeGreaterThan(50);
  });

  it('has the same after its process was killed at any moment', async () => {
    const sum = await live(100, 'process');
    expect(sum.opened).toBeGreaterThan(100);
    expect(sum.surplus).toBeGreaterThan(10);
  });

  it('is caught when its writes are not synced', async () => {
    const unsynced = (disk: Disk): Disk => ({
      ...disk,
      open: async (path, options) => {
        const file = await disk.open(path, options);
        return { ...file, writeDurably: file.write };
      },
    });
    await expect(live(20, 'power', unsynced)).rejects.toThrow(/were durable|damaged log/);
  });
});
