/** Keeps the route book up to date: watches every router, and asks brokers themselves where routers cannot help. */
import { setMaxListeners } from 'node:events';
import type { Environment } from '../rpc/environment.ts';
import type { NodeStatus } from '../rpc/generated/lograft/v1/NodeStatus.ts';
import { Role } from '../rpc/generated/lograft/v1/Role.ts';
import { AdminService, RouterService } from '../rpc/protos.ts';
import { pause } from './pause.ts';
import type { RouteBook } from './route-book.ts';

const FIRST_RECONNECT_MS = 20;
const LAST_RECONNECT_MS = 500;
/** A router that answers pushes the next leader sooner than asking around would find it. */
const PATIENCE_WITH_ROUTERS_MS = 100;
const FIRST_ASK_MS = 50;
const LAST_ASK_MS = 250;
const ASK_TIMEOUT_MS = 500;

export class RouteWatcher {
  readonly #book: RouteBook;
  readonly #brokers: readonly string[];
  readonly #environment: Environment;
  readonly #closing = new AbortController();
  readonly #loops: Promise<void>[];
  readonly #connected = new Set<string>();
  readonly #asked = new Set<string>();
  #seekers = 0;
  #seeking = false;

  constructor(book: RouteBook, routers: readonly string[], brokers: readonly string[], environment: Environment) {
    this.#book = book;
    this.#environment = environment;
    this.#brokers = brokers;
    // Each router's watch and each question listens to it; Node's warning is meant for leaks.
    setMaxListeners(0, this.#closing.signal);
    this.#loops = routers.map((router) => this.#watch(router));
  }

  /** Somebody needs a leader that is not known or does not answer: looks for one until the returned function is called. */
  seek(): () => void {
    this.#seekers += 1;
    if (!this.#seeking) this.#askAround().catch(() => {});
    let released = false;
    return () => {
      if (!released) this.#seekers -= 1;
      released = true;
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#loops);
  }

  async #watch(router: string): Promise<void> {
    const { signal } = this.#closing;
    let delayMs = FIRST_RECONNECT_MS;
    while (!signal.aborted) {
      // A fresh channel each time: an old one would insist on its own back-off.
      const channel = this.#environment.transport.dial(router);
      try {
        for await (const route of channel.read(RouterService.WatchRoutes, {}, { signal })) {
          if (signal.aborted) break;
          this.#connected.add(router);
          delayMs = FIRST_RECONNECT_MS;
          this.#book.published(router, route);
        }
      } catch {
        // Whatever it was, the answer is to watch again.
      } finally {
        this.#connected.delete(router);
        channel.close();
      }
      await pause(delayMs, signal, this.#environment.clock);
      delayMs = Math.min(LAST_RECONNECT_MS, delayMs * 2);
    }
  }

  async #askAround(): Promise<void> {
    const { signal } = this.#closing;
    this.#seeking = true;
    let delayMs = FIRST_ASK_MS;
    try {
      if (this.#connected.size > 0) await pause(PATIENCE_WITH_ROUTERS_MS, signal, this.#environment.clock);
      while (this.#seekers > 0 && !signal.aborted) {
        const addresses = new Set([...this.#book.nodes().values(), ...this.#brokers]);
        for (const address of addresses) this.#ask(address);
        await pause(delayMs, signal, this.#environment.clock);
        delayMs = Math.min(LAST_ASK_MS, delayMs * 1.5);
      }
    } finally {
      this.#seeking = false;
    }
  }

  #ask(address: string): void {
    if (this.#asked.has(address)) return;
    this.#asked.add(address);
    const channel = this.#environment.transport.dial(address);
    channel
      .call(AdminService.GetNodeStatus, {}, { timeoutMs: ASK_TIMEOUT_MS, signal: this.#closing.signal })
      .then((status) => this.#hear(status))
      // One that does not answer does not lead.
      .catch(() => {})
      .finally(() => {
        this.#asked.delete(address);
        channel.close();
      });
  }

  #hear(status: NodeStatus): void {
    this.#book.learnNode(status.node, status.address);
    for (const { group, role, term, members } of status.groups) {
      for (const member of members) this.#book.learnNode(member.node, member.address);
      if (role === Role.LEADER) this.#book.claimed(group, { node: status.node, address: status.address, term });
    }
  }
}
