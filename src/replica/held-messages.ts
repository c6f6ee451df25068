/** What attests that this node's disk holds something, until the disk does. */
import type { AttestingMessage } from '../raft/messages.ts';
import type { NodeId, WriteSequence } from '../raft/types.ts';

interface Held {
  readonly after: WriteSequence;
  readonly to: NodeId;
  readonly message: AttestingMessage;
}

export class HeldMessages {
  readonly #send: (to: NodeId, message: AttestingMessage) => void;
  /** In order of their write. */
  #held: Held[] = [];
  #durableSequence = 0 as WriteSequence;

  constructor(send: (to: NodeId, message: AttestingMessage) => void) {
    this.#send = send;
  }

  get durableSequence(): WriteSequence {
    return this.#durableSequence;
  }

  hold(messages: readonly Held[]): void {
    if (messages.length === 0) return;
    this.#held.push(...messages);
    this.#release();
  }

  written(sequence: WriteSequence): void {
    this.#durableSequence = sequence;
    this.#release();
  }

  drop(): void {
    this.#held = [];
  }

  #release(): void {
    let count = 0;
    for (const { after, to, message } of this.#held) {
      if (after > this.#durableSequence) break;
      this.#send(to, message);
      count += 1;
    }
    if (count > 0) this.#held.splice(0, count);
  }
}
