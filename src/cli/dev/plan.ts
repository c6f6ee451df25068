/** Which processes a local cluster has, and the files they start from. Everything follows from directory, size and first port. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { CliError } from '../cli-error.ts';
import { readYaml } from '../config/load.ts';

export interface ProcessPlan {
  /** "router", or the node's id. */
  readonly name: string;
  readonly address: string;
  readonly configFile: string;
  readonly logFile: string;
  /** Program and arguments: nobody else's, because they name the configuration file. */
  readonly command: readonly string[];
}

export interface NodePlan extends ProcessPlan {
  readonly dataDir: string;
}

export interface ClusterPlan {
  readonly directory: string;
  /** Broker groups, if their number was asked for: else the files keep what they say. */
  readonly groups: number | undefined;
  readonly router: ProcessPlan;
  readonly nodes: readonly NodePlan[];
}

const HOST = '127.0.0.1';
const DEFAULT_REPLICAS = 3;
/**
 * Node begins with so small a heap that every few MiB of message buffers cause a full collection: a third of a broker's time. This only moves
 * the first one back; memory is taken as it is needed. The bin's first line (main.ts) says the same.
 */
const NODE_FLAGS = ['--initial-heap-size=256'];
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export function planCluster(options: {
  data: string;
  replicas?: number | undefined;
  groups?: number | undefined;
  port: number;
}): ClusterPlan {
  const directory = resolve(options.data);
  const replicas = chooseReplicas(directory, options.replicas);
  const ids = Array.from({ length: replicas }, (_, at) => `n${at + 1}`);
  return {
    directory,
    groups: options.groups,
    router: planProcess(directory, 'router', options.port, 'router'),
    nodes: ids.map((id, at) => ({
      ...planProcess(directory, id, options.port + 1 + at, 'broker'),
      dataDir: join(directory, id, 'data'),
    })),
  };
}

function planProcess(directory: string, name: string, port: number, command: 'broker' | 'router'): ProcessPlan {
  const configFile = join(directory, name, `${command}.yaml`);
  return {
    name,
    address: `${HOST}:${port}`,
    configFile,
    logFile: join(directory, 'logs', `${name}.log`),
    command: [process.execPath, ...NODE_FLAGS, MAIN, command, '--config', configFile],
  };
}

/** Who votes is part of what is stored: a group cannot be given another size by starting it differently. */
function chooseReplicas(directory: string, wanted: number | undefined): number {
  const first = join(directory, 'n1', 'broker.yaml');
  if (!existsSync(first)) return wanted ?? DEFAULT_REPLICAS;
  const { members } = readYaml(first);
  const existing = Array.isArray(members) ? members.length : undefined;
  if (existing === undefined)
    throw new CliError(`${first} has no list of members: mend it, or choose another directory with --data`);
  if (wanted === undefined || wanted === existing) return existing;
  throw new CliError(
    `${directory} holds a cluster of ${existing}, not of ${wanted}: leave --replicas out, or choose another directory with --data`,
  );
}

/** Keys that a user added to a broker's file stay. */
export function writeConfigs(plan: ClusterPlan): void {
  mkdirSync(join(plan.directory, 'logs'), { recursive: true });
  writeYaml(plan.router.configFile, { listen: plan.router.address });
  const members = plan.nodes.map(({ name, address }) => ({ id: name, address }));
  for (const { name, address, dataDir, configFile } of plan.nodes) {
    const kept = existsSync(configFile) ? readYaml(configFile) : {};
    const asked = plan.groups === undefined ? {} : { replicaGroups: plan.groups };
    writeYaml(configFile, { ...kept, nodeId: name, listen: address, dataDir, members, routers: [plan.router.address], ...asked });
  }
}

function writeYaml(file: string, content: object): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `# Written by \`lograft dev\`. Keys you add here stay. All keys: docs/configuration.md\n${stringify(content)}`,
  );
}
