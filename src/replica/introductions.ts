/** Asks other nodes who they are and what they know of a group: many groups that begin together share one connection to each node. */
import type { Environment } from '../rpc/environment.ts';
import type { Hello } from '../rpc/generated/lograft/internal/v1/Hello.ts';
import { PeerService } from '../rpc/protos.ts';
import type { Channel } from '../rpc/transport.ts';

export class Introductions {
  readonly #environment: Environment;
  readonly #channels = new Map<string, Channel>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Who answers at an address. Rejects with a LograftError when nobody does. */
  async ask(group: string, address: string, timeoutMs: number): Promise<Hello> {
    const channel = this.#channels.get(address) ?? this.#environment.transport.dial(address);
    this.#channels.set(address, channel);
    try {
      return await channel.call(PeerService.Introduce, { group }, { timeoutMs });
    } catch (error) {
      // A channel that failed insists on its own back-off: a fresh one looks at once.
      if (this.#channels.get(address) === channel) this.#channels.delete(address);
      channel.close();
      throw error;
    }
  }

  /** Lets go of all connections. It may be used again. */
  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/** One question, on a connection of its own. */
export async function introduce(group: string, address: string, environment: Environment, timeoutMs: number): Promise<Hello> {
  const introductions = new Introductions(environment);
  try {
    return await introductions.ask(group, address, timeoutMs);
  } finally {
    introductions.close();
  }
}
