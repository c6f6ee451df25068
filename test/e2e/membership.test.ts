/** A group that grows, shrinks and loses a disk, while somebody writes to it: real processes, the real command line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { LograftClient } from '../../src/client/index.ts';
import type { MemberStatus } from '../../src/rpc/generated/lograft/v1/MemberStatus.ts';
import { Role } from '../../src/rpc/generated/lograft/v1/Role.ts';
import { Cluster, freePorts, LOGRAFT, sleep } from './cluster.ts';

const LIMIT_MS = 240_000;

class Guest {
  readonly id: string;
  readonly address: string;
  readonly #dataDir: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(cluster: Cluster, id: string, port: number, known: readonly { id: string; address: string }[]) {
    this.id = id;
    this.address = `127.0.0.1:${port}`;
    this.#dataDir = join(cluster.directory, id);
    const members = [...known.filter((member) => member.id !== id), { id, address: this.address }];
    const named = members.flatMap((member) => ['--member', `${member.id}=${member.address}`]);
    const args = ['broker', '--node-id', id, '--listen', this.address, '--data', this.#dataDir, '--log-level', 'warn'];
    this.#args = [...args, ...named, '--routers', cluster.router];
  }

  start(): this {
    this.#child = spawn(process.execPath, [LOGRAFT, ...this.#args], { stdio: 'ignore' });
    return this;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async loseDisk(): Promise<void> {
    await this.kill();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

/** Sends numbered records until told to stop; every one must be acknowledged. */
async function keepWriting(client: LograftClient, signal: AbortSignal): Promise<number> {
  const producer = client.producer({ deliveryTimeoutMs: 60_000 });
  let sent = 0;
  const acknowledged: Promise<unknown>[] = [];
  while (!signal.aborted) {
    for (let burst = 0; burst < 20; burst += 1) {
      acknowledged.push(producer.send('orders', { value: `order ${sent}` }));
      sent += 1;
    }
    await sleep(10);
  }
  await Promise.all(acknowledged);
  await producer.close();
  return sent;
}

/** As the leader sees it; undefined while nobody answers, or it is no member. */
async function memberStatus(client: LograftClient, node: string): Promise<MemberStatus | undefined> {
  const { nodes } = await client.admin.status();
  const groups = nodes.flatMap(({ status }) => status?.groups ?? []);
  return groups.find(({ role }) => role === Role.LEADER)?.members.find((member) => member.node === node);
}

let cleanUp: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const task of cleanUp.reverse()) await task();
  cleanUp = [];
});

it(
  'goes from 1 to 3 to 5 replicas and back under load, loses a disk on the way, and no record',
  async () => {
    const cluster = await Cluster.start({ replicas: 1 });
    cleanUp.push(() => cluster.stop());
    const port = await freePorts(4);
    const first = cluster.node('n1');
    const guests = ['n2', 'n3', 'n4', 'n5'].map((id, at) => new Guest(cluster, id, port + at, [first]));
    const [n2, n3, n4, n5] = guests as [Guest, Guest, Guest, Guest];
    cleanUp.push(() => Promise.all(guests.map((guest) => guest.kill())));
    const client = new LograftClient({ routers: [cluster.router] });
    cleanUp.push(() => client.close());
    await client.admin.createTopic('orders');
    const stopping = new AbortController();
    const writing = keepWriting(client, stopping.signal);

    const group = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await cluster.run(['group', ...args]);
      expect(`${code} ${stderr}`).toMatch(/^0 /);
      return stdout.toString().trim();
    };
    const add = (guest: Guest): Promise<string> => group('add-member', guest.id, '--address', guest.start().address);

    expect(await add(n2)).toBe('group g1: voters n1, n2');
    expect(await add(n3)).toBe('group g1: voters n1, n2, n3');
    await add(n4);
    expect(await add(n5)).toBe('group g1: voters n1, n2, n3, n4, n5');
    // Whatever run again is done already.
    expect(await group('add-member', 'n5', '--address', n5.address)).toBe('group g1: voters n1, n2, n3, n4, n5');

    // A wiped disk has no vote; the same name comes back as another member.
    await n4.loseDisk();
    n4.start();
    expect(await group('replace-member', 'n4')).toBe('group g1: voters n1, n2, n3, n4, n5');

    // The same without an operator: nobody asks for anything.
    const before = await memberStatus(client, 'n5');
    await n5.loseDisk();
    n5.start();
    let after: MemberStatus | undefined;
    do {
      await sleep(100);
      after = await memberStatus(client, 'n5').catch(() => undefined);
    } while (!after?.voter || after.disk === before?.disk);
    expect(before).toMatchObject({ voter: true, disk: expect.stringMatching(/./) });
    expect(after).toMatchObject({ caughtUp: true, leaving: false });

    // The founder and leader leaves.
    await group('remove-member', 'n1');
    expect(await group('remove-member', 'n5')).toBe('group g1: voters n2, n3, n4');
    await n5.kill();
    cluster.kill(first, 'SIGKILL');
    const { stderr } = await cluster.run(['group', 'add-member', 'n5', '--address', n5.address]);
    expect(stderr).toMatch(/start n5 first. Nothing was changed/);
    await group('remove-member', 'n4');
    expect(await group('remove-member', 'n3')).toBe('group g1: voters n2');

    stopping.abort();
    const sent = await writing;
    const seen = new Set<string>();
    let offsets = 0;
    for await (const { offset, value } of client.reader({
      topic: 'orders',
      from: 'earliest',
      untilEnd: true,
      consistency: 'linearizable',
    })) {
      expect(offset).toBe(offsets);
      offsets += 1;
      seen.add(Buffer.from(value).toString());
    }
    expect(seen.size).toBe(sent);
    expect(offsets).toBe(sent);
    expect(sent).toBeGreaterThan(1_000);
  },
  LIMIT_MS,
);
