/** What `examples/` teaches holds: the programs of its READMEs, against real processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LograftClient, queueOfKey } from '../../src/client/index.ts';
import { Cluster, type Finished, finished } from './cluster.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PYTHON_EXAMPLE = join(ROOT, 'examples/python');
const PUBLIC_PROTOS = ['admin', 'error', 'log', 'record', 'router'].map((name) => `lograft/v1/${name}.proto`);
const NO_PYTHON =
  'The Python example is not tested: no Python with gRPC. `apt-get install python3-grpcio protobuf-compiler-grpc`, or see examples/python/README.md';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ groups: 3 });
}, 60_000);
afterAll(() => cluster.stop(), 60_000);

describe('the TypeScript example', { timeout: 120_000 }, () => {
  it('keeps a book with every order once, over a restart of its reader', async () => {
    const path = join(cluster.directory, 'book.json');
    const { stdout } = await example('admin.ts').result;
    expect(stdout.toString().match(/^queue \d in group g[123]: 0 records$/gm)).toHaveLength(6);

    const producer = example('producer.ts', '20000');
    const reader = example('reader.ts', path);
    await vi.waitFor(async () => expect((await ordersIn(path)).length).toBeGreaterThan(0), { timeout: 30_000, interval: 50 });
    reader.child.kill('SIGTERM');
    expect((await reader.result).code).toBe(0);
    const before = (await ordersIn(path)).length;
    expect((await producer.result).stdout.toString()).toBe('20000 orders are stored\n');

    const again = await example('reader.ts', path, '--until-end').result;
    expect(again.stdout.toString()).toMatch(/^20000 orders, \d+ cents\n$/);
    expect(before).toBeLessThanOrEqual(20_000);
    expect(new Set(await ordersIn(path))).toEqual(new Set(Array.from({ length: 20_000 }, (_, number) => `order-${number}`)));
  });

  it('ends its producer in good order at a signal: what it says it stored is there', async () => {
    const before = await held('orders');
    const producer = example('producer.ts', '10000000');
    await vi.waitFor(async () => expect(await held('orders')).toBeGreaterThan(before), { timeout: 30_000 });
    producer.child.kill('SIGINT');
    const { code, stdout, stderr } = await producer.result;
    expect(`${code} ${stderr}`).toBe('0 ');
    expect(stdout.toString()).toBe(`${(await held('orders')) - before} orders are stored\n`);
  });
});

describe('the Python example', { timeout: 120_000 }, () => {
  it('has every acknowledged record once, in order per key, when a leader is killed half way', async ({ skip }) => {
    const python = ['python3', '/usr/bin/python3'].find((program) => succeeds(program, '-c', 'import grpc.aio, google.protobuf'));
    const compiler = python && protoCompiler(python);
    if (compiler === undefined) {
      console.warn(NO_PYTHON);
      return skip(NO_PYTHON);
    }
    const options = ['-I', 'proto', `--python_out=${PYTHON_EXAMPLE}`, `--grpc_python_out=${PYTHON_EXAMPLE}`];
    const generated = await start(compiler[0], [...compiler.slice(1), ...options, ...PUBLIC_PROTOS]).result;
    expect(`${generated.code} ${generated.stderr}`).toBe('0 ');
    const run = (file: string, ...args: string[]) =>
      start(python as string, [join(PYTHON_EXAMPLE, file), 'payments', '--router', cluster.router, ...args]);
    const created = await run('create_topic.py', '--queues', '6').result;
    expect(`${created.code} ${created.stderr}`).toBe('0 ');

    const count = 30_000;
    const producer = run('produce.py', '--count', String(count));
    const victim = await leaderOfQueue('payments', 0);
    await vi.waitFor(async () => expect(await held('payments')).toBeGreaterThan(count / 10), { timeout: 60_000, interval: 10 });
    expect(producer.child.exitCode).toBe(null);
    cluster.kill(victim, 'SIGKILL');
    const produced = await producer.result;
    cluster.restart(victim);
    expect(`${produced.code} ${produced.stderr}`).toBe('0 ');
    const acknowledged = lines(produced);
    expect(acknowledged).toHaveLength(count);

    const consumed = await run('consume.py').result;
    expect(`${consumed.code} ${consumed.stderr}`).toBe('0 ');
    const read = lines(consumed);
    expect(new Set(read)).toEqual(new Set(acknowledged));
    expect(read).toHaveLength(count);
    const last = new Map<string, number>();
    for (const [queue, , key = '', value = ''] of read.map((line) => line.split('\t'))) {
      const number = Number(value.slice('order-'.length));
      expect(number, key).toBeGreaterThan(last.get(key) ?? -1);
      last.set(key, number);
      // Whoever sends a key next finds the same queue, in whichever language.
      expect(queueOfKey(key, 6)).toBe(Number(queue));
    }
  });
});

interface Running {
  readonly child: ChildProcess;
  readonly result: Promise<Finished>;
}

function start(program: string, args: readonly string[]): Running {
  const env = { ...process.env, LOGRAFT_ROUTER: cluster.router };
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  return { child, result: finished(child) };
}

function example(file: string, ...args: string[]): Running {
  return start(process.execPath, ['--import', 'tsx', join(ROOT, 'examples/typescript', file), ...args]);
}

async function ordersIn(path: string): Promise<string[]> {
  const book = JSON.parse(await readFile(path, 'utf8')) as { orders: Record<string, number> };
  return Object.keys(book.orders);
}

function lines({ stdout }: Finished): string[] {
  return stdout.toString().trimEnd().split('\n');
}

function succeeds(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

/** As the example's README has it: the one of PyPI, or Debian's. */
function protoCompiler(python: string): readonly [string, ...string[]] | undefined {
  const plugin = '/usr/bin/grpc_python_plugin';
  if (succeeds('protoc', '--version') && succeeds('test', '-x', plugin))
    return ['protoc', `--plugin=protoc-gen-grpc_python=${plugin}`];
  return succeeds(python, '-c', 'import grpc_tools.protoc') ? [python, '-m', 'grpc_tools.protoc'] : undefined;
}

async function held(topic: string): Promise<number> {
  await using client = new LograftClient({ routers: [cluster.router] });
  const { queues } = await client.admin.describeTopic(topic);
  return queues.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
}

async function leaderOfQueue(topic: string, queue: number) {
  await using client = new LograftClient({ routers: [cluster.router] });
  const { queueGroups } = await client.admin.describeTopic(topic);
  const { groups } = await client.route();
  return cluster.node(groups.find(({ group }) => group === queueGroups[queue])?.leader ?? 'none');
}
