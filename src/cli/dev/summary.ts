/** What `lograft dev` says when the cluster is up: what runs, and what to try. */
import { relative } from 'node:path';
import { DEFAULT_ROUTER } from '../flags.ts';
import { renderTable } from '../table.ts';
import type { Colours } from '../terminal.ts';
import type { ClusterFile } from './cluster-file.ts';
import { type Leaders, roleOf } from './leaders.ts';

export interface SummaryOptions {
  readonly leaders: Leaders;
  readonly directory: string;
  /** --data as it was given, when it was. */
  readonly data: string | undefined;
  readonly detached: boolean;
  readonly framed: boolean;
  readonly colours: Colours;
}

/** Ends with a newline. */
export function renderSummary(cluster: ClusterFile, options: SummaryOptions): string {
  const { colours, leaders } = options;
  const rows = [{ id: 'router', ...cluster.routerProcess }, ...cluster.nodes].map(({ id, pid, address, logFile }) => {
    const role = id === 'router' ? '' : roleOf(id, leaders);
    return [id, role.startsWith('lead') ? colours.green(role) : role, String(pid), address, shortest(logFile)];
  });
  const table = renderTable(['NAME', 'ROLE', 'PID', 'ADDRESS', 'LOG'], rows, { framed: options.framed });
  const title = `Lograft is up: clients connect to ${colours.bold(cluster.router)}. Data: ${options.directory}`;
  return [title, table, '', ...nextSteps(cluster, options), ''].join('\n');
}

function shortest(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

function nextSteps({ router }: ClusterFile, { data, detached, colours }: SummaryOptions): string[] {
  const dataFlag = data === undefined ? '' : ` --data ${data}`;
  const commands: [string, string][] = [
    ['npx lograft topic create orders', ''],
    ['seq 1 100000 | npx lograft produce orders', ''],
    ['npx lograft consume orders | tail -n 3', ''],
    ['npx lograft status', ''],
    [`kill -9 $(npx lograft dev --leader-pid${dataFlag})`, 'a fail-over: see status again'],
  ];
  if (router !== DEFAULT_ROUTER) commands.unshift([`export LOGRAFT_ROUTER=${router}`, '']);
  if (detached) {
    commands.push([`npx lograft dev --restart-node n1${dataFlag}`, 'starts a killed node again']);
    commands.push([`npx lograft dev --stop${dataFlag}`, 'stops everything, the data stays']);
  }
  const where = detached ? 'Try:' : 'Try in another terminal:';
  const lines = commands.map(([command, remark]) => `  ${command}${remark === '' ? '' : colours.dim(`   # ${remark}`)}`);
  return detached
    ? [where, ...lines]
    : [where, ...lines, '', 'A broker that dies is started again. Ctrl-C stops everything; the data stays.'];
}
