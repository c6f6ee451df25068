/** What `npm start` runs: comes up by itself, goes down on Ctrl-C, finds its data again, heals a killed broker. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClusterNode, freePorts, isAlive, lograft, sleep, spawnLograft } from './cluster.ts';

describe('lograft dev in the foreground', { timeout: 60_000 }, () => {
  let directory: string;
  let port: number;
  let running: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lograft-e2e-'));
    port = await freePorts(4);
  });
  afterEach(async () => {
    if (running?.exitCode === null && running.signalCode === null) {
      running.kill('SIGTERM');
      await new Promise((resolve) => running?.once('exit', resolve));
    }
    await rm(directory, { recursive: true, force: true });
  });

  async function start(): Promise<{ child: ChildProcess; output: () => string }> {
    const child = spawnLograft(['dev', '--data', directory, '--port', String(port)]);
    running = child;
    let text = '';
    child.stdout?.on('data', (bytes: Buffer) => (text += bytes.toString()));
    child.stderr?.on('data', (bytes: Buffer) => (text += bytes.toString()));
    for (let tries = 0; !/produce/.test(text); tries += 1) {
      if (tries > 400 || child.exitCode !== null) throw new Error(`dev did not come up: ${text}`);
      await sleep(50);
    }
    return { child, output: () => text };
  }

  const nodes = async (): Promise<ClusterNode[]> =>
    (JSON.parse(await readFile(join(directory, 'cluster.json'), 'utf8')) as { nodes: ClusterNode[] }).nodes;
  const run = (args: string[], input = '') =>
    lograft(args, { input: Buffer.from(input), env: { LOGRAFT_ROUTER: `127.0.0.1:${port}` } });

  async function stop(child: ChildProcess): Promise<number | null> {
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    return exit;
  }

  it('stops all of it on Ctrl-C, and finds the data at the next start', async () => {
    const first = await start();
    expect(first.output()).toContain(`127.0.0.1:${port}`);
    expect((await run(['topic', 'create', 'orders'])).code).toBe(0);
    expect((await run(['produce', 'orders'], 'one\ntwo\n')).code).toBe(0);
    const pids = (await nodes()).map(({ pid }) => pid);
    expect(pids).toHaveLength(3);
    const stoppedAt = performance.now();
    expect(await stop(first.child)).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(8_000);
    expect(pids.filter(isAlive)).toEqual([]);

    const second = await start();
    const consumed = await run(['consume', 'orders', '--until-end']);
    expect(consumed.stdout.toString()).toBe('one\ntwo\n');
    expect(await stop(second.child)).toBe(0);
  });

  it('starts a killed broker again', async () => {
    await start();
    const victim = (await nodes())[0] as ClusterNode;
    process.kill(victim.pid, 'SIGKILL');
    let back: ClusterNode | undefined;
    for (let tries = 0; tries < 200 && back === undefined; tries += 1) {
      await sleep(50);
      back = (await nodes()).find(({ id, pid }) => id === victim.id && pid !== victim.pid && isAlive(pid));
    }
    expect(back).toBeDefined();
  });

  it('says clearly when the port is taken, and leaves nothing running', async () => {
    const { child } = await start();
    const other = await mkdtemp(join(tmpdir(), 'lograft-e2e-'));
    const second = await lograft(['dev', '--data', other, '--port', String(port)]);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/in use/);
    await rm(other, { recursive: true, force: true });
    expect(child.exitCode).toBeNull();
  });
});
