/** Simulated hosts and the links between them: who reaches whom, how late, and what gets lost. */
import type { Timer } from '../../../src/base/clock.ts';
import type { Transport } from '../../../src/rpc/transport.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import type { Trace } from '../engine/trace.ts';
import type { Connection } from './connection.ts';
import { SimChannel } from './sim-channel.ts';
import { SimServer } from './sim-server.ts';

export interface SimNetworkOptions {
  /** One way, ms: half of it at least, with an exponential tail. */
  readonly latencyMs: number;
  /** Of messages between brokers: lost, delivered twice, delayed past others. */
  readonly peerLoss: number;
  readonly peerDuplication: number;
  readonly peerReorder: number;
}

/** Without a sign of life for so long a connection is given up. */
export const KEEPALIVE_MS = 15_000;

export class SimNetwork {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  #options: SimNetworkOptions;
  readonly #cuts = new Set<string>();
  readonly #servers = new Map<string, SimServer>();
  readonly #off = new Set<string>();
  readonly connections = new Set<Connection>();

  constructor(scheduler: Scheduler, random: SimRandom, trace: Trace, options: SimNetworkOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.trace = trace;
    this.#options = options;
  }

  get options(): SimNetworkOptions {
    return this.#options;
  }

  /** What one run of a program on a host gets. */
  transport(process: SimProcess, host: string): Transport {
    return {
      dial: (address) => new SimChannel(this, process, host, address),
      listen: async (address, services) => {
        const server = new SimServer(this, process, address, services);
        this.#servers.set(address, server);
        process.onDeath(() => this.closed(server));
        return server;
      },
    };
  }

  server(address: string): SimServer | undefined {
    return this.#servers.get(address);
  }

  closed(server: SimServer): void {
    if (this.#servers.get(server.address) === server) this.#servers.delete(server.address);
  }

  reaches(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`) && !this.#off.has(from) && !this.#off.has(to);
  }

  isOff(host: string): boolean {
    return this.#off.has(host);
  }

  latencyMs(): number {
    const { latencyMs } = this.#options;
    return latencyMs / 2 + this.random.exponential(latencyMs / 2);
  }

  after(delayMs: number, kind: string, task: () => void): Timer {
    return this.scheduler.at(this.scheduler.nowMs + delayMs, kind, task);
  }

  cut(from: string, to: string): void {
    if (from === to) return;
    this.#cuts.add(`${from}>${to}`);
    for (const connection of this.connections) connection.linkChanged();
  }

  heal(from: string, to: string): void {
    if (!this.#cuts.delete(`${from}>${to}`)) return;
    for (const connection of [...this.connections]) connection.linkChanged();
  }

  healAll(): void {
    this.#cuts.clear();
    for (const connection of [...this.connections]) connection.linkChanged();
  }

  /** Hosts of different groups do not reach each other. */
  partition(groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (other === group) continue;
        for (const from of group) for (const to of other) this.#cuts.add(`${from}>${to}`);
      }
    }
    for (const connection of this.connections) connection.linkChanged();
  }

  resetConnections(one: string, other: string): void {
    for (const connection of [...this.connections]) if (connection.joins(one, other)) connection.reset();
  }

  /** The host falls silent: nobody is told that its connections are gone. */
  powerOff(host: string): void {
    this.#off.add(host);
    for (const connection of this.connections) connection.linkChanged();
  }

  /** Others learn that the connections they still believe in are gone. */
  powerOn(host: string): void {
    if (!this.#off.delete(host)) return;
    for (const connection of [...this.connections]) connection.linkChanged();
  }

  /** From now on messages between brokers arrive, once and in order. */
  calm(): void {
    this.#options = { ...this.#options, peerLoss: 0, peerDuplication: 0, peerReorder: 0 };
  }
}
