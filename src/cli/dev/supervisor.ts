/** Starts again what ends, so that whoever kills a broker sees it come back. */
import type { Ending, LocalCluster } from './local-cluster.ts';
import type { ProcessPlan } from './plan.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Whatever ran this long is started again without a longer pause. */
const HEALTHY_MS = 30_000;

export class Supervisor {
  readonly #cluster: LocalCluster;
  readonly #tell: (line: string) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #pauses = new Map<string, number>();
  readonly #startedAt = new Map<string, number>();

  constructor(cluster: LocalCluster, tell: (line: string) => void) {
    this.#cluster = cluster;
    this.#tell = tell;
    cluster.onEnd = (plan, ending) => this.#startAgain(plan, ending);
  }

  /** From now on, what ends stays ended. */
  stop(): void {
    this.#cluster.onEnd = () => {};
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #startAgain(plan: ProcessPlan, ending: Ending): void {
    const pause = this.#nextPause(plan.name);
    const how = ending.signal === null ? `ended with code ${ending.code}` : `was ended by ${ending.signal}`;
    const why = ending.code === null || ending.code === 0 ? undefined : this.#cluster.lastWords(plan);
    const reason = why === undefined ? '' : ` (${why})`;
    this.#tell(`${plan.name} (pid ${this.#cluster.pidOf(plan.name)}) ${how}${reason}; it starts again in ${pause / 1_000} s`);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const pid = this.#cluster.start(plan);
      this.#startedAt.set(plan.name, performance.now());
      this.#cluster.save();
      this.#tell(`${plan.name} is back (pid ${pid})`);
    }, pause);
    this.#timers.add(timer);
  }

  /** Doubles while a process keeps ending soon after its start. */
  #nextPause(name: string): number {
    const startedAt = this.#startedAt.get(name);
    const soon = startedAt !== undefined && performance.now() - startedAt < HEALTHY_MS;
    const pause = soon ? Math.min((this.#pauses.get(name) ?? FIRST_PAUSE_MS) * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    this.#pauses.set(name, pause);
    return pause;
  }
}
