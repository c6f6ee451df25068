/** A disk that fills up: writes are refused clearly, nothing stored is lost, and it goes on when there is room. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LograftClient, LograftError } from '../../src/client/index.ts';
import { freePorts, isAlive, sleep, spawnLograft } from './cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'lograft-full-'));
// Filling a real file system needs one of a known small size, and that needs the right to mount it.
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory]).status === 0;

describe.skipIf(!mounted)('a full disk', { timeout: 60_000 }, () => {
  afterAll(() => {
    spawnSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true, force: true });
  });

  it('refuses writes with DISK_FULL, keeps what it has, and goes on when there is room again', async () => {
    const port = await freePorts(2);
    const [router, address] = [`127.0.0.1:${port}`, `127.0.0.1:${port + 1}`];
    const config = join(tmpdir(), `lograft-full-${process.pid}.yaml`);
    await writeFile(
      config,
      `nodeId: n1\nlisten: ${address}\ndataDir: ${directory}/n1\nsegmentBytes: 8388608\nrouters: ["${router}"]\nmembers: [{ id: n1, address: "${address}" }]\n`,
    );
    const processes = [spawnLograft(['router', '--listen', router]), spawnLograft(['broker', '--config', config])];
    for (const child of processes) {
      child.stdout?.resume();
      child.stderr?.resume();
    }
    const client = new LograftClient({ routers: [router] });
    try {
      await createTopic(client);
      const value = Buffer.alloc(100 * 1024, 'v');
      const { stored, error } = await fill(client, value);
      expect(error).toBeInstanceOf(LograftError);
      expect(`${error.reason} ${error.message}`).toMatch(/DISK_FULL|disk .*full/i);
      expect(stored).toBeGreaterThan(20);
      expect(processes.every(({ pid }) => isAlive(pid as number))).toBe(true);
      expect(await count(client)).toBeGreaterThanOrEqual(stored);

      expect(spawnSync('mount', ['-o', 'remount,size=200m', directory]).status).toBe(0);
      await sleep(1_500);
      const producer = client.producer({ deliveryTimeoutMs: 20_000 });
      await producer.send('full', { value });
      await producer.close();
      expect(await count(client)).toBeGreaterThan(stored);
    } finally {
      await client.close();
      for (const child of processes) {
        child.kill('SIGTERM');
        if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
      }
      rmSync(config);
    }
  });
});

async function createTopic(client: LograftClient): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await client.admin.createTopic('full', { queues: 1 });
      return;
    } catch (error) {
      if (tries > 100) throw error;
      await sleep(100);
    }
  }
}

async function fill(client: LograftClient, value: Buffer): Promise<{ stored: number; error: LograftError }> {
  const producer = client.producer({ deliveryTimeoutMs: 1_000 });
  let stored = 0;
  try {
    for (; stored < 2_000; stored += 1) await producer.send('full', { value });
  } catch (error) {
    return { stored, error: error as LograftError };
  } finally {
    await producer.close().catch(() => {});
  }
  throw new Error('the disk never filled up');
}

async function count(client: LograftClient): Promise<number> {
  let records = 0;
  for await (const _ of client.reader({ topic: 'full', from: 'earliest', untilEnd: true })) records += 1;
  return records;
}
