/** Ends a local cluster in an order that leaves the least to do at the next start. */
import { fetchRoute } from '../router-probe.ts';
import type { ClusterFile } from './cluster-file.ts';
import { type EndedProcess, endProcesses, findRunning } from './processes.ts';

const GRACE_MS = 10_000;

/** Followers first: the leader need not hand over to one that ends too. The router last: it tells brokers and clients where they are. */
export async function stopCluster(cluster: ClusterFile): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  const leader = await leaderOf(cluster);
  const isLeader = ({ id }: { id: string }): boolean => id === leader;
  const followers = cluster.nodes.filter((node) => !isLeader(node));
  await endProcesses(followers.flatMap(running), deadline);
  await endProcesses(cluster.nodes.filter(isLeader).flatMap(running), deadline);
  await endProcesses(running(cluster.routerProcess), deadline);
}

/** All live processes of a cluster's file. */
export function runningProcesses(cluster: ClusterFile): EndedProcess[] {
  return [cluster.routerProcess, ...cluster.nodes].flatMap(running);
}

function running({ pid, command }: { pid: number; command: readonly string[] }): EndedProcess[] {
  return findRunning(pid, command).map((found) => ({ pid: found, command }));
}

async function leaderOf({ router }: ClusterFile): Promise<string> {
  try {
    return (await fetchRoute(router, 500)).groups[0]?.leader ?? '';
  } catch {
    return '';
  }
}
