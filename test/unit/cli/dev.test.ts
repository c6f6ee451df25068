import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadBrokerConfig, loadRouterConfig } from '../../../src/cli/config/load.ts';
import {
  clusterFilePath,
  describeCluster,
  readClusterFile,
  removeClusterFile,
  writeClusterFile,
} from '../../../src/cli/dev/cluster-file.ts';
import { lastWords, logTail } from '../../../src/cli/dev/log-tail.ts';
import { planCluster, writeConfigs } from '../../../src/cli/dev/plan.ts';
import { requireFreePorts } from '../../../src/cli/dev/ports.ts';
import { endProcesses, findRunning, isRunning, startProcess } from '../../../src/cli/dev/processes.ts';
import { renderSummary } from '../../../src/cli/dev/summary.ts';
import { coloursFor } from '../../../src/cli/terminal.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lograft-dev-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const plan = (options: { replicas?: number; port?: number } = {}) => planCluster({ data: directory, port: 9100, ...options });
const PIDS = { router: 11, n1: 21, n2: 22, n3: 23 };

describe('the plan of a local cluster', () => {
  it('gives configurations that the commands accept', () => {
    const cluster = plan();
    writeConfigs(cluster);
    expect(loadRouterConfig(cluster.router.configFile, {})).toEqual({ listen: '127.0.0.1:9100' });
    expect(cluster.nodes.map(({ address }) => address)).toEqual(['127.0.0.1:9101', '127.0.0.1:9102', '127.0.0.1:9103']);
    for (const { name, configFile, dataDir, command } of cluster.nodes) {
      const { config } = loadBrokerConfig(configFile, {});
      expect(config).toMatchObject({ nodeId: name, dataDir, routers: ['127.0.0.1:9100'] });
      expect(config.members).toHaveLength(3);
      expect(command).toEqual([
        process.execPath,
        expect.stringMatching(/heap/),
        expect.stringMatching(/main\.js$/),
        'broker',
        '--config',
        configFile,
      ]);
    }
  });

  it('keeps the size that the data has, and what a user added', () => {
    const first = plan({ replicas: 5 });
    writeConfigs(first);
    const config = first.nodes[0]?.configFile as string;
    writeFileSync(config, `${readFileSync(config, 'utf8')}segmentBytes: 8388608\n`);
    const again = plan({ port: 9200 });
    writeConfigs(again);
    expect(again.nodes).toHaveLength(5);
    expect(loadBrokerConfig(config, {}).config).toMatchObject({ listen: '127.0.0.1:9201', segmentBytes: 8_388_608 });
    expect(() => plan({ replicas: 3 })).toThrow(/holds a cluster of 5, not of 3/);
  });
});

describe('cluster.json', () => {
  it('holds what tests and people need, and comes back', () => {
    const supervisor = { pid: 7, command: ['node', 'main.js', 'dev'] };
    const content = describeCluster(plan(), PIDS, supervisor);
    writeClusterFile(directory, content);
    expect(readClusterFile(directory)).toEqual(content);
    expect(readdirSync(directory)).toEqual(['cluster.json']);
    expect(JSON.parse(readFileSync(clusterFilePath(directory), 'utf8'))).toMatchObject({
      router: '127.0.0.1:9100',
      nodes: [{ id: 'n1', pid: 21, address: '127.0.0.1:9101', dataDir: join(directory, 'n1', 'data') }, { id: 'n2' }, { id: 'n3' }],
      pids: PIDS,
    });
    removeClusterFile(directory);
    expect(readClusterFile(directory)).toBeUndefined();
  });

  it('names no supervisor when there is none', () => {
    expect(describeCluster(plan(), PIDS, undefined)).not.toHaveProperty('supervisor');
  });

  it('is not guessed at when damaged', () => {
    writeFileSync(clusterFilePath(directory), '{"router":');
    expect(() => readClusterFile(directory)).toThrow(/cluster.json is damaged/);
    writeFileSync(clusterFilePath(directory), '{"router": 1}');
    expect(() => readClusterFile(directory)).toThrow(/cluster.json is damaged/);
  });
});

describe('processes', () => {
  it('are recognised by pid and command together, and ended', async () => {
    const command = [process.execPath, '-e', 'setInterval(() => {}, 1000) //', directory];
    const { pid } = startProcess(command, join(directory, 'log'));
    // Between fork and exec the child still has the command of this process.
    while (!isRunning(pid, command)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isRunning(pid, [...command, 'other'])).toBe(false);
    expect(isRunning(process.pid, command)).toBe(false);
    expect(findRunning(process.pid, command)).toEqual([pid]);
    await endProcesses([{ pid, command }], performance.now() + 5_000);
    expect(isRunning(pid, command)).toBe(false);
  });

  it('are killed when they do not end in time', async () => {
    const command = [
      process.execPath,
      '-e',
      'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up") //',
      directory,
    ];
    const log = join(directory, 'log');
    const { pid } = startProcess(command, log);
    while (!readFileSync(log, 'utf8').includes('up')) await new Promise((resolve) => setTimeout(resolve, 5));
    await endProcesses([{ pid, command }], performance.now() + 200);
    expect(isRunning(pid, command)).toBe(false);
  });
});

it('refuses a port in use, by name', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await expect(requireFreePorts([`127.0.0.1:${port}`])).rejects.toThrow(new RegExp(`127.0.0.1:${port} is in use`));
  await new Promise((resolve) => server.close(resolve));
  await requireFreePorts([`127.0.0.1:${port}`]);
});

it('finds the last words of a process in its log', () => {
  const log = join(directory, 'log');
  writeFileSync(log, 'lograft: of an earlier run\n');
  const start = readFileSync(log).length;
  writeFileSync(log, '{"level":"info"}\nlograft: the port is in use\n', { flag: 'a' });
  expect(lastWords(log, start)).toBe('the port is in use');
  expect(logTail(log, start, 10)).toHaveLength(2);
  expect(lastWords(log, readFileSync(log).length)).toBeUndefined();
  expect(logTail(join(directory, 'none'), 0, 10)).toEqual([]);
});

it('says what runs and what to try', () => {
  mkdirSync(join(directory, 'logs'));
  const options = { leaders: new Map([['g1', 'n2']]), directory, data: undefined, framed: false, colours: coloursFor({}) };
  const text = renderSummary(describeCluster(plan(), PIDS, undefined), { ...options, detached: false });
  expect(text).toMatch(/clients connect to 127.0.0.1:9100/);
  expect(text).toMatch(/n2 +leader +22 +127.0.0.1:9102/);
  for (const command of ['topic create', 'produce', 'consume', 'status', 'kill -9', 'export LOGRAFT_ROUTER'])
    expect(text).toContain(command);
  const detached = renderSummary(describeCluster(plan({ port: 8080 }), PIDS, undefined), {
    ...options,
    data: '/d',
    detached: true,
  });
  expect(detached).toContain('npx lograft dev --stop --data /d');
  expect(detached).toContain('--restart-node n1 --data /d');
  expect(detached).not.toContain('export');
});
