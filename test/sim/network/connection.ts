/** A simulated TCP connection: keeps order, holds back what a cut link delays, and breaks as a real one does. */
import type { Timer } from '../../../src/base/clock.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { Linked, Links } from './links.ts';

/** Without a sign of life for so long a connection is given up. */
const KEEPALIVE_MS = 15_000;

export interface End {
  readonly host: string;
  readonly process: SimProcess;
}

export type Side = 'client' | 'server';

interface Direction {
  /** What is under way arrives no earlier than this: order is kept. */
  lastArrivalMs: number;
  /** Written while the link was cut. */
  held: (() => void)[];
}

export interface ConnectionEvents {
  /** Told once to each side that is alive, when it notices. */
  broken(side: Side, why: string): void;
}

export class Connection implements Linked {
  readonly #network: Links;
  readonly #ends: Readonly<Record<Side, End>>;
  readonly #events: ConnectionEvents;
  readonly #to: Readonly<Record<Side, Direction>> = {
    client: { lastArrivalMs: 0, held: [] },
    server: { lastArrivalMs: 0, held: [] },
  };
  readonly #brokenAt: Record<Side, boolean> = { client: false, server: false };
  #keepalive: Timer | undefined;
  /** A side is gone; the other has not been told. */
  #orphan: Side | undefined;

  constructor(network: Links, client: End, server: End, events: ConnectionEvents) {
    this.#network = network;
    this.#ends = { client, server };
    this.#events = events;
    network.connections.add(this);
    client.process.onDeath(() => this.#died('client'));
    server.process.onDeath(() => this.#died('server'));
  }

  joins(one: string, other: string): boolean {
    const { client, server } = this.#ends;
    return (client.host === one && server.host === other) || (client.host === other && server.host === one);
  }

  /** Has `task` done at the given side, in order, when it gets there. */
  deliver(to: Side, task: () => void): void {
    if (this.#brokenAt[other(to)] || this.#orphan !== undefined) return;
    if (!this.#clear(to)) return void this.#to[to].held.push(task);
    this.#send(to, task);
  }

  /** Like `deliver`, but on its own: may be lost, come twice, or overtake. */
  deliverLoosely(to: Side, task: () => void): void {
    if (this.#brokenAt[other(to)] || this.#orphan !== undefined) return;
    const { random, options } = this.#network;
    if (!this.#clear(to) || random.chance(options.peerLoss)) return;
    this.#arriveLoosely(to, task);
    if (random.chance(options.peerDuplication)) this.#arriveLoosely(to, task);
  }

  /** Both sides notice, each when word gets there. */
  reset(): void {
    this.#break('client', 'the connection was reset (ECONNRESET)');
    this.#break('server', 'the connection was reset (ECONNRESET)');
  }

  /** This side closes it: the other is told. */
  close(side: Side): void {
    if (this.#brokenAt[side]) return;
    this.#brokenAt[side] = true;
    this.#orphan ??= side;
    this.#tellOrphan();
  }

  linkChanged(): void {
    for (const side of ['client', 'server'] as const) {
      if (!this.#clear(side)) continue;
      for (const task of this.#to[side].held.splice(0)) this.#send(side, task);
    }
    if (this.#clear('client') && this.#clear('server')) {
      this.#keepalive?.cancel();
      this.#keepalive = undefined;
    } else {
      this.#keepalive ??= this.#network.after(KEEPALIVE_MS, 'keepalive', () => {
        for (const side of ['client', 'server'] as const) this.#notice(side, 'keepalive watchdog timeout');
        this.#forget();
      });
    }
    this.#tellOrphan();
  }

  #died(side: Side): void {
    if (this.#brokenAt[side]) return;
    this.#brokenAt[side] = true;
    this.#orphan ??= side;
    this.#tellOrphan();
  }

  #tellOrphan(): void {
    if (this.#orphan === undefined) return;
    const survivor = other(this.#orphan);
    if (this.#brokenAt[survivor]) return this.#forget();
    if (this.#clear(survivor)) this.#break(survivor, 'the connection was reset (ECONNRESET)');
  }

  #break(side: Side, why: string): void {
    if (this.#brokenAt[side]) return;
    const direction = this.#to[side];
    const atMs = Math.max(this.#network.scheduler.nowMs + this.#network.latencyMs(), direction.lastArrivalMs);
    direction.lastArrivalMs = atMs;
    this.#network.scheduler.at(atMs, 'reset', () => {
      this.#notice(side, why);
      if (this.#brokenAt[other(side)]) this.#forget();
    });
  }

  #notice(side: Side, why: string): void {
    if (this.#brokenAt[side]) return;
    this.#brokenAt[side] = true;
    this.#ends[side].process.deliver(() => this.#events.broken(side, why));
  }

  #forget(): void {
    this.#keepalive?.cancel();
    this.#network.connections.delete(this);
  }

  #send(to: Side, task: () => void): void {
    const direction = this.#to[to];
    const atMs = Math.max(this.#network.scheduler.nowMs + this.#network.latencyMs(), direction.lastArrivalMs);
    direction.lastArrivalMs = atMs;
    this.#arrive(to, atMs, task);
  }

  #arriveLoosely(to: Side, task: () => void): void {
    const { random, options, scheduler } = this.#network;
    const direction = this.#to[to];
    let atMs = scheduler.nowMs + this.#network.latencyMs();
    if (random.chance(options.peerReorder)) atMs += random.exponential(20 * options.latencyMs);
    else {
      atMs = Math.max(atMs, direction.lastArrivalMs);
      direction.lastArrivalMs = atMs;
    }
    this.#arrive(to, atMs, task);
  }

  #arrive(to: Side, atMs: number, task: () => void): void {
    const { process } = this.#ends[to];
    this.#network.scheduler.at(atMs, 'arrive', () => {
      if (this.#brokenAt[to]) return;
      process.deliver(() => {
        if (!this.#brokenAt[to]) task();
      });
    });
  }

  #clear(to: Side): boolean {
    return (
      this.#network.reaches(this.#ends[other(to)].host, this.#ends[to].host) &&
      this.#network.reaches(this.#ends[to].host, this.#ends[other(to)].host)
    );
  }
}

function other(side: Side): Side {
  return side === 'client' ? 'server' : 'client';
}
