/** `lograft dev` while it runs: tells what happens, starts again what ends, and takes everything down with it. */
import { removeClusterFile } from './cluster-file.ts';
import type { Leaders } from './leaders.ts';
import type { LocalCluster } from './local-cluster.ts';
import { signal as send } from './processes.ts';
import { runningProcesses, stopCluster } from './stop-cluster.ts';
import { Supervisor } from './supervisor.ts';
import { watchLeaders } from './watch-leaders.ts';

/** npm passes Ctrl-C on to a process that the terminal has already told: that is one wish, not two. */
const SAME_SIGNAL_MS = 500;

/** Returns when everything is stopped. */
export async function superviseUntilSignal(cluster: LocalCluster, leaders: Leaders): Promise<void> {
  const supervisor = new Supervisor(cluster, tell);
  const watching = new AbortController();
  const watch = watchLeaders(cluster.plan.router.address, leaders, watching.signal, (group, leader, term) =>
    tell(leaders.size === 1 ? `${leader} leads now, term ${term}` : `${group}: ${leader} leads now, term ${term}`),
  );
  await firstSignal();
  tell('stopping');
  const askedAt = performance.now();
  onSignals(() => {
    if (performance.now() - askedAt > SAME_SIGNAL_MS) killAll(cluster);
  });
  supervisor.stop();
  watching.abort();
  await watch;
  await stopCluster(cluster.describe());
  removeClusterFile(cluster.plan.directory);
  tell('stopped; the data stays');
}

function firstSignal(): Promise<void> {
  return new Promise((resolve) => onSignals(resolve));
}

function onSignals(act: () => void): void {
  // SIGHUP: the terminal was closed. The processes have sessions of their own and would go on unseen.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, act);
}

/** Who asks twice does not want to wait. What was acknowledged is safe: it is on disk. */
function killAll(cluster: LocalCluster): void {
  for (const { pid } of runningProcesses(cluster.describe())) send(pid, 'SIGKILL');
}

function tell(line: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)} ${line}\n`);
}
