/** How much of this a second of real time holds. Printed, for the machine decides; that all of it was done is asserted. */
import { expect, test } from 'vitest';
import { Machine } from './machine.ts';

const SEGMENT_BYTES = 256 * 1024;

async function measured(what: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  await work();
  const perSecond = Math.round((1_000 * count) / (performance.now() - startMs));
  console.log(`${what}: ${perSecond.toLocaleString('en')} a second`);
}

test('operations of a disk', async () => {
  const machine = new Machine(1);
  const disk = machine.disk.mount(machine.process);
  const file = await machine.finish(disk.open('/file', { create: true }));
  await machine.finish(file.writeDurably(0, [Buffer.alloc(SEGMENT_BYTES)]));
  const bytes = Buffer.alloc(300, 'x');
  const operations = 30_000;
  const times = async (operate: (at: number) => Promise<unknown>): Promise<void> => {
    for (let at = 0; at < operations; at += 1) await operate((at * 320) % (SEGMENT_BYTES - 320));
  };
  await measured('durable writes of 300 bytes, one after the other', operations, () =>
    machine.finish(times((at) => file.writeDurably(at, [bytes]))),
  );
  await measured('writes of 300 bytes', operations, () => machine.finish(times((at) => file.write(at, [bytes]))));
  await measured('reads of 300 bytes', operations, () => machine.finish(times((at) => file.read(at, 300))));
  const segments = 500;
  await measured('segments of 256 KiB written and synced', segments, () =>
    machine.finish(
      (async () => {
        for (let at = 0; at < segments; at += 1) {
          await file.write(0, [Buffer.alloc(SEGMENT_BYTES)]);
          await file.sync();
        }
      })(),
    ),
  );
  const cuts = 500;
  await measured('power cuts with 256 KiB unsynced', cuts, async () => {
    for (let at = 0; at < cuts; at += 1) {
      const again = await machine.finish(machine.disk.mount(machine.process).open('/file', { create: false }));
      await machine.finish(again.write(0, [Buffer.alloc(SEGMENT_BYTES, at)]));
      machine.crash('power');
    }
  });
  expect(machine.faultKinds).toEqual(Array(cuts).fill('powerCut'));
});

test('operations of a keyed state of 100 000 keys', async () => {
  const machine = new Machine(2);
  const state = await machine.finish(machine.keyed.mount(machine.process));
  const key = (at: number): Buffer => Buffer.from(`key${String((at * 7_919) % 100_000).padStart(6, '0')}`);
  const value = Buffer.alloc(20);
  const keys = 100_000;
  await measured('keys, 10 a batch', keys, () =>
    machine.finish(
      (async () => {
        for (let at = 0; at < keys; at += 10)
          await state.write(
            Array.from({ length: 10 }, (_, more) => [key(at + more), value] as const),
            [],
          );
      })(),
    ),
  );
  const batches = 10_000;
  await measured('batches of one key among them', batches, () =>
    machine.finish(
      (async () => {
        for (let at = 0; at < batches; at += 1) await state.write([[key(at), value]], []);
      })(),
    ),
  );
  await measured('seeks of one pair', batches, () =>
    machine.finish(
      (async () => {
        for (let at = 0; at < batches; at += 1) for await (const _ of state.range({ to: key(at), reverse: true, limit: 1 }));
      })(),
    ),
  );
  let found = 0;
  await measured('pairs of a range', keys, () =>
    machine.finish(
      (async () => {
        for await (const _ of state.range({})) found += 1;
      })(),
    ),
  );
  expect(found).toBe(keys);
});
