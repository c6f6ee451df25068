/** The running processes of a local cluster, as the `lograft dev` that started them sees them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RouteGroup } from '../../rpc/generated/lograft/v1/RouteGroup.ts';
import { CliError } from '../cli-error.ts';
import { fetchRoute } from '../router-probe.ts';
import { type ClusterFile, describeCluster, writeClusterFile } from './cluster-file.ts';
import { type Leaders, leadersOf } from './leaders.ts';
import { lastWords, logTail } from './log-tail.ts';
import type { ClusterPlan, ProcessPlan } from './plan.ts';
import { type StartedProcess, startProcess } from './processes.ts';

const START_MS = 30_000;
const POLL_MS = 100;
const TAIL_LINES = 10;

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class LocalCluster {
  readonly plan: ClusterPlan;
  readonly #supervisor: ClusterFile['supervisor'];
  readonly #started = new Map<string, StartedProcess>();
  /** Called when a process ends. */
  onEnd: (process: ProcessPlan, ending: Ending) => void = () => {};

  constructor(plan: ClusterPlan, supervisor: ClusterFile['supervisor']) {
    this.plan = plan;
    this.#supervisor = supervisor;
  }

  get processes(): readonly ProcessPlan[] {
    return [this.plan.router, ...this.plan.nodes];
  }

  /** Starts one process and records it. */
  start(plan: ProcessPlan): number {
    const started = startProcess(plan.command, plan.logFile);
    this.#started.set(plan.name, started);
    started.child.once('exit', (code, signal) => {
      this.onEnd(plan, { code, signal });
    });
    return started.pid;
  }

  startAll(): void {
    for (const plan of this.processes) this.start(plan);
    this.save();
  }

  pidOf(name: string): number {
    return this.#started.get(name)?.pid ?? 0;
  }

  describe(): ClusterFile {
    const pids = Object.fromEntries([...this.#started].map(([name, { pid }]) => [name, pid]));
    return describeCluster(this.plan, pids, this.#supervisor);
  }

  save(): void {
    writeClusterFile(this.plan.directory, this.describe());
  }

  /** What the process gave as its reason to end. */
  lastWords({ name, logFile }: ProcessPlan): string | undefined {
    return lastWords(logFile, this.#started.get(name)?.logStart ?? 0);
  }

  /** Gives who leads each group. All brokers are there then: whoever kills one now can watch the others take over. */
  async waitUntilServing(): Promise<Leaders> {
    const deadline = performance.now() + START_MS;
    while (performance.now() < deadline) {
      this.#failIfOneEnded();
      const groups = (await fetchRoute(this.plan.router.address, 1_000).catch(() => undefined))?.groups ?? [];
      const isServed = groups.length >= (this.plan.groups ?? 1) && groups.every((group) => this.#isServed(group));
      if (isServed) return leadersOf(groups);
      await sleep(POLL_MS);
    }
    throw new CliError(
      `no leader serves after ${START_MS / 1_000} s. Everything was stopped; the logs are in ${this.plan.directory}/logs`,
    );
  }

  #isServed({ leader, members }: RouteGroup): boolean {
    return leader !== '' && members.filter(({ registered }) => registered).length === this.plan.nodes.length;
  }

  #failIfOneEnded(): void {
    for (const plan of this.processes) {
      const started = this.#started.get(plan.name);
      if (started === undefined || (started.child.exitCode === null && started.child.signalCode === null)) continue;
      const tail = logTail(plan.logFile, started.logStart, TAIL_LINES);
      process.stderr.write(`${[`last lines of ${plan.logFile}:`, ...tail].join('\n  ')}\n`);
      throw new CliError(
        `${plan.name} did not start: ${(this.lastWords(plan) ?? 'see its log').replace(/\.$/, '')}. The others were stopped`,
      );
    }
  }
}
