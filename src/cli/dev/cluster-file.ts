/** DIR/cluster.json: which processes run a local cluster, for people, tests and `lograft dev --stop`. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from '../cli-error.ts';
import type { ClusterPlan } from './plan.ts';

const recordedProcess = z.object({
  pid: z.int().positive(),
  address: z.string(),
  /** Program and arguments that start it again. */
  command: z.array(z.string()).min(1),
  logFile: z.string(),
});

const clusterFile = z.object({
  /** "host:port" for clients. */
  router: z.string(),
  nodes: z.array(recordedProcess.extend({ id: z.string(), dataDir: z.string() })),
  routerProcess: recordedProcess,
  /** Each process's pid by its name. */
  pids: z.record(z.string(), z.int().positive()),
  /** The `lograft dev` that watches over them; absent when they were started with --detach. */
  supervisor: z.object({ pid: z.int().positive(), command: z.array(z.string()) }).optional(),
});

export type ClusterFile = z.infer<typeof clusterFile>;

export function clusterFilePath(directory: string): string {
  return join(directory, 'cluster.json');
}

export function describeCluster(
  plan: ClusterPlan,
  pids: Readonly<Record<string, number>>,
  supervisor: ClusterFile['supervisor'],
): ClusterFile {
  const record = ({ name, address, command, logFile }: ClusterPlan['router']) => {
    return { pid: pids[name] ?? 0, address, command: [...command], logFile };
  };
  return {
    router: plan.router.address,
    nodes: plan.nodes.map((node) => ({ id: node.name, ...record(node), dataDir: node.dataDir })),
    routerProcess: record(plan.router),
    pids: { ...pids },
    ...(supervisor === undefined ? {} : { supervisor }),
  };
}

/** Replaces the file as a whole: whoever reads it meanwhile sees the old or the new one. */
export function writeClusterFile(directory: string, content: ClusterFile): void {
  const path = clusterFilePath(directory);
  writeFileSync(`${path}.new`, `${JSON.stringify(content, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Undefined when there is none: no cluster was started there, or it was stopped. */
export function readClusterFile(directory: string): ClusterFile | undefined {
  const path = clusterFilePath(directory);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const advice = 'Its processes, if any, must be ended by hand; then remove the file';
  try {
    return clusterFile.parse(JSON.parse(text));
  } catch (error) {
    throw new CliError(`${path} is damaged. ${advice}`, { cause: error });
  }
}

export function removeClusterFile(directory: string): void {
  rmSync(clusterFilePath(directory), { force: true });
}
