/** `lograft config check` and `show`: what they print and how they end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { givenBeside } from '../../../src/cli/broker-flags.ts';
import { examineBroker } from '../../../src/cli/config/examine.ts';
import { brokerSource } from '../../../src/cli/config/load.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { renderSettings, toSettingsView } from '../../../src/cli/settings-view.ts';

const directory = mkdtempSync(join(tmpdir(), 'lograft-config-command-'));
const deployed = (name: string): string => fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Runs the program, and gives what it printed with the files' directory left out. */
async function run(...args: string[]): Promise<{ stdout: string; stderr: string; failure: string }> {
  const stdout: unknown[] = [];
  const stderr: unknown[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => stdout.push(text) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => stderr.push(text) > 0);
  const error = await createProgram()
    .parseAsync(args, { from: 'user' })
    .then(() => undefined)
    .catch((reason: Error) => reason);
  const short = (text: string) => text.replaceAll(`${directory}/`, '');
  return { stdout: short(stdout.join('')), stderr: short(stderr.join('')), failure: short(error?.message ?? '') };
}

const CLUSTER = `dataDir: /d
members:
  - { id: n1, address: "h1:1" }
  - { id: n2, address: "h2:1" }
  - { id: n3, address: "h3:1" }
routers: ["r:1"]
`;

describe('config check', () => {
  it('accepts what is deployed', async () => {
    expect(await run('config', 'check', deployed('cluster.yaml'))).toEqual({
      stdout: 'OK for each of n1, n2, n3\n',
      stderr: '',
      failure: '',
    });
    expect((await run('config', 'check', deployed('router.yaml'), '--type', 'router')).stdout).toBe('OK\n');
  });

  it('lists each problem with its place, and fails', async () => {
    const path = file('bad.yaml', `${CLUSTER.replace('dataDir: /d\n', '')}nodeId: n4\nsegmentBytes: 1\nhartbeatIntervalMs: 9\n`);
    const { stdout, failure } = await run('config', 'check', path);
    expect(stdout.split('\n')).toEqual([
      'bad.yaml: dataDir is missing: must be a path',
      'bad.yaml:7: segmentBytes is 1: must be a multiple of 64, 1 048 576 to 1 073 741 824',
      'bad.yaml:8: unknown key hartbeatIntervalMs (its value is 9), did you mean heartbeatIntervalMs?',
      '',
    ]);
    expect(failure).toBe('bad.yaml has 3 problems: no broker starts with it. Every key: docs/configuration.md');
  });

  it('checks a file for all nodes as each of them', async () => {
    const path = file('cluster.yaml', CLUSTER.replace('h2:1', '0.0.0.0:1'));
    const { stdout, failure } = await run('config', 'check', path);
    expect(stdout, 'one problem for all three').toBe(
      'cluster.yaml:2: members has 0.0.0.0:1 for n2: must be an address that others can connect to\n',
    );
    expect(failure).toMatch(/has a problem/);
  });

  it('checks a broker.conf, and tells what is left out', async () => {
    const content = 'enableDLegerCommitLog=true\ndLegerSelfId=n0\ndLegerPeers=n0-h:1\nnamesrvAddr=r:1\nbrokerName=b\n';
    const problem = await run('config', 'check', file('broker.conf', content));
    expect(problem.stdout).toBe('broker.conf: storePathRootDir is missing: must be a path\n');
    const { stdout, failure } = await run('config', 'check', file('broker.conf', `${content}storePathRootDir=/d\n`));
    expect(stdout.split('\n')).toEqual([
      'broker.conf: warning: left out, as Lograft has nothing of the kind: brokerName (line 5). Why: docs/configuration.md',
      'OK',
      '',
    ]);
    expect(failure).toBe('');
  });

  it('says that there is no such file, or where it is broken', async () => {
    expect((await run('config', 'check', join(directory, 'none.yaml'))).stdout).toBe('none.yaml: there is no such file\n');
    expect((await run('config', 'check', file('broken.yaml', 'a: 1\nb: [\n'))).stdout).toMatch(/^broken.yaml:3: not valid YAML: /);
  });
});

describe('config show', () => {
  it('prints each value and where it comes from', async () => {
    vi.stubEnv('LOGRAFT_NODE_ID', 'n2');
    const { stdout } = await run('config', 'show', file('show.yaml', CLUSTER), '--data', '/elsewhere');
    expect(JSON.parse(stdout)).toMatchObject({
      nodeId: { value: 'n2', from: 'environment' },
      listen: { value: '0.0.0.0:1', from: 'derived', of: 'members' },
      advertise: { value: 'h2:1', from: 'derived', of: 'members' },
      dataDir: { value: '/elsewhere', from: 'flag', flag: '--data' },
      members: { from: 'file', line: 2 },
      replicaFactor: { value: 3, from: 'derived', of: 'members' },
      retentionMs: { value: 259_200_000, from: 'default' },
    });
  });

  it('names the keys of a broker.conf', async () => {
    const content =
      'enableDLegerCommitLog=true\ndLegerSelfId=n0\ndLegerPeers=n0-h:1\nstorePathRootDir=/d\nfileReservedTime=1\nbrokerName=b\n';
    const { stdout, stderr } = await run('config', 'show', file('show.conf', content), '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      retentionMs: { value: 3_600_000, from: 'file', line: 5, key: 'fileReservedTime' },
      listen: { value: '0.0.0.0:1', from: 'derived', of: 'members' },
    });
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^show.conf: warning: left out.*brokerName \(line 6\)/),
      'show.conf: warning: routers is empty: clients cannot find this group through a router (namesrvAddr)',
      '',
    ]);
  });

  it('is a table on a terminal', () => {
    const examined = examineBroker(brokerSource(file('table.yaml', CLUSTER)), givenBeside({ nodeId: 'n1' }, {}));
    if ('problems' in examined) throw new Error('a good file');
    const rows = renderSettings(toSettingsView(examined))
      .split('\n')
      .map((line) => line.split('│').map((cell) => cell.trim()));
    expect(rows).toContainEqual(['', 'nodeId', 'n1', '--node-id', '']);
    expect(rows).toContainEqual(['', 'listen', '0.0.0.0:1', 'from members', '']);
    expect(rows).toContainEqual(['', 'dataDir', '/d', 'line 1', '']);
    expect(rows).toContainEqual(['', 'members', 'n1 h1:1', 'line 2', '']);
    expect(rows).toContainEqual(['', 'preferredLeader', 'none', 'default', '']);
    expect(rows).toContainEqual(['', 'segmentBytes', '67 108 864', 'default', '']);
  });

  it('fails in one line where nothing would start', async () => {
    expect((await run('config', 'show', file('bad.yaml', CLUSTER))).failure).toMatch(/bad.yaml: nodeId is missing: .* Nothing was/);
  });
});
