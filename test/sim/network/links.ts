/** The links between simulated hosts: who reaches whom, how late, and which connections run over them. */
import type { Timer } from '../../../src/base/clock.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Trace } from '../engine/trace.ts';

export interface LinkOptions {
  /** One way, ms: half of it at least, with an exponential tail. */
  readonly latencyMs: number;
  /** Of messages between brokers: lost, delivered twice, delayed past others. */
  readonly peerLoss: number;
  readonly peerDuplication: number;
  readonly peerReorder: number;
}

/** What runs over a link. */
export interface Linked {
  joins(one: string, other: string): boolean;
  linkChanged(): void;
  reset(): void;
}

export class Links {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  options: LinkOptions;
  readonly connections = new Set<Linked>();
  readonly #cuts = new Set<string>();
  readonly #off = new Set<string>();

  constructor(scheduler: Scheduler, random: SimRandom, trace: Trace, options: LinkOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.trace = trace;
    this.options = options;
  }

  reaches(from: string, to: string): boolean {
    // Asked for each message, and mostly nothing is cut.
    if (this.#cuts.size === 0 && this.#off.size === 0) return true;
    return !this.#cuts.has(`${from}>${to}`) && !this.#off.has(from) && !this.#off.has(to);
  }

  latencyMs(): number {
    const { latencyMs } = this.options;
    return latencyMs / 2 + this.random.exponential(latencyMs / 2);
  }

  after(delayMs: number, kind: string, task: () => void): Timer {
    return this.scheduler.at(this.scheduler.nowMs + delayMs, kind, task);
  }

  cut(from: string, to: string): void {
    if (from === to) return;
    this.#cuts.add(`${from}>${to}`);
    this.#changed();
  }

  heal(from: string, to: string): void {
    if (this.#cuts.delete(`${from}>${to}`)) this.#changed();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#changed();
  }

  /** Hosts of different groups do not reach each other. */
  partition(groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (other === group) continue;
        for (const from of group) for (const to of other) this.#cuts.add(`${from}>${to}`);
      }
    }
    this.#changed();
  }

  resetConnections(one: string, other: string): void {
    for (const connection of [...this.connections]) if (connection.joins(one, other)) connection.reset();
  }

  /** The host falls silent: nobody is told that its connections are gone. */
  powerOff(host: string): void {
    this.#off.add(host);
    this.#changed();
  }

  /** Others learn that the connections they still believe in are gone. */
  powerOn(host: string): void {
    if (this.#off.delete(host)) this.#changed();
  }

  /** From now on messages between brokers arrive, once and in order. */
  calm(): void {
    this.options = { ...this.options, peerLoss: 0, peerDuplication: 0, peerReorder: 0 };
  }

  #changed(): void {
    for (const connection of [...this.connections]) connection.linkChanged();
  }
}
