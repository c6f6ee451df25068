/** What `lograft dev` does with a cluster that runs already. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../cli-error.ts';
import { fetchRoute } from '../router-probe.ts';
import { type ClusterFile, readClusterFile, removeClusterFile, writeClusterFile } from './cluster-file.ts';
import { leadersOf } from './leaders.ts';
import { findRunning, isRunning, signal, startProcess } from './processes.ts';
import { runningProcesses, stopCluster } from './stop-cluster.ts';

const SUPERVISOR_MS = 15_000;

export async function stopRunning(directory: string): Promise<void> {
  const cluster = readClusterFile(directory);
  if (cluster === undefined) {
    process.stdout.write(`no cluster runs on ${directory}\n`);
    return;
  }
  // Whoever watches over them would start them again: it stops them itself.
  await stopSupervisor(cluster.supervisor);
  const count = runningProcesses(cluster).length;
  await stopCluster(cluster);
  removeClusterFile(directory);
  const what = cluster.supervisor === undefined ? `${count} ${count === 1 ? 'process' : 'processes'}` : 'all processes';
  process.stdout.write(`stopped ${what} of ${directory}; the data stays\n`);
}

async function stopSupervisor(supervisor: ClusterFile['supervisor']): Promise<void> {
  if (supervisor === undefined) return;
  const { pid, command } = supervisor;
  if (!isRunning(pid, command)) return;
  signal(pid, 'SIGTERM');
  const deadline = performance.now() + SUPERVISOR_MS;
  while (isRunning(pid, command) && performance.now() < deadline) await sleep(20);
  if (isRunning(pid, command)) signal(pid, 'SIGKILL');
}

export async function restartNode(directory: string, id: string): Promise<void> {
  const cluster = requireCluster(directory);
  const node = cluster.nodes.find((candidate) => candidate.id === id);
  if (node === undefined) throw new CliError(`no node ${id} (there are: ${cluster.nodes.map((known) => known.id).join(', ')})`);
  const [running] = findRunning(node.pid, node.command);
  if (running !== undefined) throw new CliError(`${id} runs already, with pid ${running}`);
  if (cluster.supervisor !== undefined && isRunning(cluster.supervisor.pid, cluster.supervisor.command)) {
    throw new CliError(`the running "lograft dev" (pid ${cluster.supervisor.pid}) starts ${id} again by itself`);
  }
  const { pid } = startProcess(node.command, node.logFile);
  const nodes = cluster.nodes.map((candidate) => (candidate.id === id ? { ...candidate, pid } : candidate));
  writeClusterFile(directory, { ...cluster, nodes, pids: { ...cluster.pids, [id]: pid } });
  process.stdout.write(`started ${id} again with pid ${pid}\n`);
}

export async function printLeaderPid(directory: string): Promise<void> {
  const cluster = requireCluster(directory);
  const route = await fetchRoute(cluster.router).catch(() => undefined);
  // Of the first group, which is the home group: there is always one.
  const [leader] = leadersOf(route?.groups ?? []).values();
  const node = cluster.nodes.find(({ id }) => id === leader);
  const [pid] = node === undefined ? [] : findRunning(node.pid, node.command);
  if (pid === undefined) throw new CliError('there is no leader now: see lograft status');
  process.stdout.write(`${pid}\n`);
}

function requireCluster(directory: string): ClusterFile {
  const cluster = readClusterFile(directory);
  if (cluster === undefined)
    throw new CliError(`no cluster runs on ${directory}: start one with: npx lograft dev, or name its directory with --data`);
  return cluster;
}
