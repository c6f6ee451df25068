/**
 * Nodes that speak to this one, and where they can be answered. A node that has just come does not know its leader as a member before it has the log
 * that says so, which it does not get before it answers.
 */
import type { NodeId } from '../raft/types.ts';

/** More than groups have members: who keeps coming under new names gets no answer. */
const MAX_VISITORS = 64;

export class Visitors {
  readonly #onChanged: () => void;
  readonly #visitors = new Map<NodeId, { readonly address: string; streams: number }>();

  constructor(onChanged: () => void) {
    this.#onChanged = onChanged;
  }

  *all(): Iterable<readonly [NodeId, string]> {
    for (const [id, { address }] of this.#visitors) yield [id, address];
  }

  /** Somebody opened a stream. Gives what to do when it ends. */
  comes(id: NodeId, address: string): () => void {
    const known = this.#visitors.get(id);
    if (!isAddress(address) || (known === undefined && this.#visitors.size >= MAX_VISITORS)) return () => {};
    const visitor = known?.address === address ? known : { address, streams: 0 };
    visitor.streams += 1;
    this.#visitors.set(id, visitor);
    this.#onChanged();
    return () => {
      visitor.streams -= 1;
      if (visitor.streams > 0 || this.#visitors.get(id) !== visitor) return;
      this.#visitors.delete(id);
      this.#onChanged();
    };
  }
}

function isAddress(text: string): boolean {
  return /^.{1,255}:\d{1,5}$/.test(text);
}
