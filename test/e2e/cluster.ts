/** A real cluster for tests: `lograft dev --detach` in a directory of its own, its processes killed and started by hand. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const LOGRAFT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface ClusterNode {
  readonly id: string;
  pid: number;
  readonly address: string;
  readonly dataDir: string;
  readonly command: readonly string[];
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface NodeView {
  readonly node: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

/** Runs `lograft ARGS` to its end. */
export function lograft(args: readonly string[], options: { input?: Buffer; env?: NodeJS.ProcessEnv } = {}): Promise<Finished> {
  const child = spawnLograft(args, options.env);
  if (options.input !== undefined) child.stdin?.write(options.input);
  child.stdin?.end();
  return finished(child);
}

export function spawnLograft(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [LOGRAFT, ...args], { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
}

export function finished(child: ChildProcess): Promise<Finished> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr?.on('data', (bytes: Buffer) => err.push(bytes));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }));
  });
}

export class Cluster {
  readonly directory: string;
  readonly router: string;
  nodes: ClusterNode[];
  readonly #restarted = new Set<ChildProcess>();

  private constructor(directory: string, router: string, nodes: ClusterNode[]) {
    this.directory = directory;
    this.router = router;
    this.nodes = nodes;
  }

  static async start(options: { replicas?: number; groups?: number; directory?: string } = {}): Promise<Cluster> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'lograft-e2e-')));
    const replicas = options.replicas ?? 3;
    const port = await freePorts(replicas + 1);
    const groups = String(options.groups ?? 1);
    const size = ['--replicas', String(replicas), '--groups', groups];
    const started = await lograft(['dev', '--detach', ...size, '--data', directory, '--port', String(port)]);
    if (started.code !== 0) throw new Error(`dev --detach failed: ${started.stderr}${started.stdout.toString()}`);
    const file = JSON.parse(await readFile(join(directory, 'cluster.json'), 'utf8')) as { router: string; nodes: ClusterNode[] };
    return new Cluster(directory, file.router, file.nodes);
  }

  run(args: readonly string[], options: { input?: Buffer } = {}): Promise<Finished> {
    return lograft(args, { ...options, env: { LOGRAFT_ROUTER: this.router } });
  }

  spawn(args: readonly string[]): ChildProcess {
    return spawnLograft(args, { LOGRAFT_ROUTER: this.router });
  }

  node(id: string): ClusterNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** The leader that the highest term names, once a node says so itself. */
  async leader(options: { not?: string; timeoutMs?: number } = {}): Promise<ClusterNode> {
    const deadline = Date.now() + (options.timeoutMs ?? 15_000);
    while (Date.now() < deadline) {
      const leaders = (await this.views()).filter(({ role }) => role === 'leader').sort((a, b) => b.term - a.term);
      const leader = leaders[0]?.node;
      if (leader !== undefined && leader !== options.not) return this.node(leader);
      await sleep(50);
    }
    throw new Error(`no leader${options.not === undefined ? '' : ` other than ${options.not}`} in time`);
  }

  /** What each reachable node says of the group, by `lograft status --json`. */
  async views(): Promise<NodeView[]> {
    const { code, stdout } = await this.run(['status', '--json']);
    if (code !== 0) return [];
    const status = JSON.parse(stdout.toString()) as { groups: { members: (NodeView & { reachable: boolean })[] }[] };
    return status.groups.flatMap(({ members }) => members.filter(({ reachable }) => reachable));
  }

  kill(node: ClusterNode, signal: NodeJS.Signals): void {
    process.kill(node.pid, signal);
  }

  async waitUntilDead(node: ClusterNode): Promise<void> {
    while (isAlive(node.pid)) await sleep(10);
  }

  /** Starts a killed node again, as it was. */
  restart(node: ClusterNode): void {
    const [program, ...args] = node.command;
    const child = spawn(program as string, args, { stdio: 'ignore' });
    this.#restarted.add(child);
    node.pid = child.pid as number;
  }

  /** Waits until all nodes have applied the same, up to what the leader has. */
  async waitUntilEqual(timeoutMs = 30_000): Promise<NodeView[]> {
    const deadline = Date.now() + timeoutMs;
    let views: NodeView[] = [];
    while (Date.now() < deadline) {
      views = await this.views();
      const last = views.find(({ role }) => role === 'leader')?.lastIndex;
      if (views.length === this.nodes.length && views.every((view) => view.lastIndex === last && view.appliedIndex === last))
        return views;
      await sleep(100);
    }
    throw new Error(`replicas did not become equal: ${JSON.stringify(views)}`);
  }

  /** Ends all processes and removes the data. */
  async stop(options: { keepData?: boolean } = {}): Promise<void> {
    for (const { pid } of this.nodes) if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    await lograft(['dev', '--stop', '--data', this.directory]);
    await Promise.all(
      [...this.#restarted].map((child) => (child.exitCode === null && child.signalCode === null ? ended(child) : undefined)),
    );
    if (!options.keepData) await rm(this.directory, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const killer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(killer);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** First of `count` neighbouring ports that are free now. */
export async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(first + at)));
    if (free.every(Boolean)) return first;
  }
  throw new Error('no free ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
