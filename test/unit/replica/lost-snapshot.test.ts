/** A node that has lost the snapshot that its log begins with. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { type LogIndex, logIndex, nodeId, term } from '../../../src/raft/types.ts';
import { Applier } from '../../../src/replica/applier.ts';
import { DiskWatch } from '../../../src/replica/disk-watch.ts';
import { MissingSnapshots } from '../../../src/replica/missing-snapshots.ts';
import { snapshotPiece } from '../../../src/replica/peer-answers.ts';
import type { Repairs } from '../../../src/replica/repairs.ts';
import type { StateMachine } from '../../../src/replica/state-machine.ts';
import { WellBeing } from '../../../src/replica/well-being.ts';
import type { RaftLog } from '../../../src/storage/raft-log.ts';
import { openSnapshotStore } from '../../../src/storage/snapshot-store.ts';
import { TestClock } from '../storage/log-fixture.ts';
import { MemoryDisk } from '../storage/memory-disk.ts';

const BASE = { index: logIndex(7), term: term(2), configuration: Buffer.from('c') };

it('tells those who ask for it that it is not here, once it is found damaged', async () => {
  const disk = new MemoryDisk();
  const snapshots = await openSnapshotStore(disk, '/snapshots');
  await snapshots.write(BASE, [Buffer.alloc(2_000, 's')]);
  disk.flip('/snapshots/7.snapshot', 5_000, 3);
  expect(await snapshotPiece(snapshots, BASE.index, BASE.term, 0, 100)).toBeUndefined();
  expect(await snapshotPiece(snapshots, BASE.index, BASE.term, 0, 100)).toBeUndefined();
});

it('leads only when nobody else will', () => {
  const changes: string[] = [];
  let has = true;
  const wellBeing = new WellBeing({
    repairs: { damaged: 0 } as Repairs,
    disk: new DiskWatch(500),
    clock: new TestClock(),
    hasRoom: () => true,
    hasSnapshot: () => has,
    logger: pino({ enabled: false }),
    onChanged: (fitness) => changes.push(fitness),
  });
  wellBeing.look();
  has = false;
  wellBeing.look();
  expect(wellBeing.unfitBecause).toMatch(/snapshot .* is lost/);
  has = true;
  wellBeing.look();
  expect(changes).toEqual(['reluctant', 'fit']);
});

it('is fetched back, from one member after the other, until it is here', async () => {
  const snapshots = await openSnapshotStore(new MemoryDisk(), '/snapshots');
  let nowMs = 0;
  const clock = Object.assign(new TestClock(), { nowMs: () => nowMs });
  const asked: string[] = [];
  const lost = new MissingSnapshots({
    log: { base: BASE },
    snapshots,
    clock,
    peers: () => [nodeId('n2'), nodeId('n3')],
    fetch: ({ from, index, term: inTerm }) => asked.push(`${from} ${index} ${inTerm}`),
  });
  for (let at = 0; at < 6; at += 1) {
    lost.look();
    nowMs += 500;
  }
  expect(asked).toEqual(['n2 7 2', 'n3 7 2', 'n2 7 2']);
  await snapshots.write(BASE, [Buffer.from('state')]);
  nowMs += 1_000;
  expect(lost.lacksBase).toBe(false);
  lost.look();
  expect(asked).toHaveLength(3);
});

it('is got from others where this node has yet to cut its log and never had it', async () => {
  const snapshots = await openSnapshotStore(new MemoryDisk(), '/snapshots');
  const log = { base: { index: logIndex(0), term: term(0), configuration: undefined as Buffer | undefined } };
  const asked: number[] = [];
  const missing = new MissingSnapshots({
    log,
    snapshots,
    clock: Object.assign(new TestClock(), { nowMs: () => asked.length * 1_000 }),
    peers: () => [nodeId('n2')],
    fetch: ({ index }) => asked.push(index),
  });
  const older = missing.get({ index: logIndex(5), term: term(2) });
  const newer = missing.get(BASE);
  expect(await older).toBe(false);
  missing.look();
  await snapshots.write(BASE, [Buffer.from('state')]);
  missing.look();
  expect(await newer).toBe(true);
  expect(await missing.get(BASE)).toBe(true);
  const next = missing.get({ index: logIndex(9), term: term(2) });
  log.base = { ...BASE, index: logIndex(9) };
  missing.look();
  expect(await next).toBe(false);
  expect(asked).toEqual([7, 9]);
});

it('cannot go on when its state is older, and says so', async () => {
  const snapshots = await openSnapshotStore(new MemoryDisk(), '/snapshots');
  const failure = await new Promise<Error>((resolve) => {
    const applier = new Applier({
      log: { base: BASE } as unknown as RaftLog,
      snapshots,
      stateMachine: { appliedIndex: 3 as LogIndex } as StateMachine<unknown>,
      commitIndex: () => BASE.index,
      whenDurable: () => true,
      onApplied: () => expect.unreachable(),
      onRound: () => {},
      whenRepaired: () => Promise.resolve(),
      onFailed: (error) => {
        applier.stop();
        resolve(error);
      },
    });
    applier.begin();
  });
  expect(failure).toMatchObject({ code: 'DAMAGED_SNAPSHOT', message: expect.stringContaining('replace it in its group') });
});
