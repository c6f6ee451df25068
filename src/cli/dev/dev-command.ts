/** `lograft dev`: a whole cluster on this machine, each part a process of its own. */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { wholeBetween, withExamples } from '../flags.ts';
import { coloursFor, isTerminal } from '../terminal.ts';
import { readClusterFile, removeClusterFile } from './cluster-file.ts';
import { printLeaderPid, restartNode, stopRunning } from './existing-cluster.ts';
import { superviseUntilSignal } from './foreground.ts';
import type { Leaders } from './leaders.ts';
import { LocalCluster } from './local-cluster.ts';
import { type ClusterPlan, planCluster, writeConfigs } from './plan.ts';
import { requireFreePorts } from './ports.ts';
import { commandOf } from './processes.ts';
import { runningProcesses, stopCluster } from './stop-cluster.ts';
import { renderSummary } from './summary.ts';

interface DevFlags {
  readonly replicas?: number;
  readonly groups?: number;
  readonly data?: string;
  readonly port: number;
  readonly detach?: boolean;
  readonly stop?: boolean;
  readonly restartNode?: string;
  readonly leaderPid?: boolean;
}

const DEFAULT_DATA = './data';

export function devCommand(): Command {
  const command = new Command('dev')
    .description('run a whole cluster on this machine: a router and brokers, each a process of its own')
    .option('--replicas <count>', 'number of brokers (default: 3, or as many as the data has)', wholeBetween(1, 7))
    .option('--groups <count>', 'number of broker groups over them (default: 1, or as many as before)', wholeBetween(1, 1_000))
    .option('--data <directory>', `data, logs and cluster.json (default: "${DEFAULT_DATA}")`)
    .option('--port <number>', 'port of the router; the brokers have those after it', wholeBetween(1, 65_500), 8080)
    .addOption(
      new Option('--detach', 'return when it serves, and leave it running').conflicts(['stop', 'restartNode', 'leaderPid']),
    )
    .addOption(new Option('--stop', 'stop the running cluster of --data; the data stays').conflicts(['restartNode', 'leaderPid']))
    .addOption(new Option('--restart-node <id>', 'start a broker again that has ended').conflicts('leaderPid'))
    .option('--leader-pid', 'print the pid of the leader (with several groups: of the first)')
    .action(dev);
  return withExamples(command, [
    'lograft dev',
    'lograft dev --replicas 5 --port 9000 --data /tmp/five',
    'lograft dev --detach && lograft status',
    'kill -9 $(lograft dev --leader-pid)',
    'lograft dev --stop',
  ]);
}

async function dev(flags: DevFlags): Promise<void> {
  const data = flags.data ?? DEFAULT_DATA;
  if (flags.stop) return stopRunning(resolve(data));
  if (flags.restartNode !== undefined) return restartNode(resolve(data), flags.restartNode);
  if (flags.leaderPid) return printLeaderPid(resolve(data));
  await startNew(planCluster({ data, replicas: flags.replicas, groups: flags.groups, port: flags.port }), flags);
}

async function startNew(plan: ClusterPlan, flags: DevFlags): Promise<void> {
  refuseIfRunning(plan.directory);
  await requireFreePorts([plan.router, ...plan.nodes].map(({ address }) => address));
  writeConfigs(plan);
  const detached = flags.detach === true;
  // As the system shows it: how this program was called, not where it was found.
  const self = { pid: process.pid, command: commandOf(process.pid) ?? [process.execPath, ...process.argv.slice(1)] };
  const cluster = new LocalCluster(plan, detached ? undefined : self);
  const leaders = await startOrUndo(cluster);
  const style = { framed: isTerminal(process.stdout), colours: coloursFor(process.stdout) };
  process.stdout.write(
    renderSummary(cluster.describe(), { ...style, leaders, directory: plan.directory, data: flags.data, detached }),
  );
  if (!detached) await superviseUntilSignal(cluster, leaders);
}

function refuseIfRunning(directory: string): void {
  const existing = readClusterFile(directory);
  if (existing === undefined) return;
  const running = runningProcesses(existing);
  if (running.length === 0) return;
  const pids = running.map(({ pid }) => pid).join(', ');
  throw new CliError(
    `a cluster runs on ${directory} already (pids ${pids}): use it, or stop it with: npx lograft dev --stop --data ${directory}`,
  );
}

/** A signal meanwhile undoes it too: nothing is left running unseen. */
async function startOrUndo(cluster: LocalCluster): Promise<Leaders> {
  let interrupt: (error: Error) => void = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  const onSignal = (): void => interrupt(new CliError('interrupted while starting. Everything was stopped', { exitCode: 130 }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  try {
    cluster.startAll();
    return await Promise.race([cluster.waitUntilServing(), interrupted]);
  } catch (error) {
    await stopCluster(cluster.describe());
    removeClusterFile(cluster.plan.directory);
    throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
  }
}
