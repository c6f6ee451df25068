import type { PeerMessage } from '../../../src/raft/messages.ts';
import type { NodeId } from '../../../src/raft/types.ts';
import type { NodeHistory } from '../cluster/node-history.ts';
import { check, type Invariant } from './invariant.ts';

/** An acknowledgement never speaks of more than the disk holds (B06: not for an empty or repeated append either). */
export class AcknowledgedIsDurable implements Invariant {
  sent(node: NodeHistory, _to: NodeId, message: PeerMessage): void {
    if (message.type !== 'appendAccepted') return;
    const { entries } = node.durable;
    // Between the acknowledgement and its sending a newer leader may have replaced it, in the same write even: as if the message had been slow.
    const newer = node.memory.hardState.term > message.term || node.term > message.term;
    const held = entries.length - 1 >= message.matchIndex;
    check(
      held || newer,
      'Acknowledged Is Durable',
      () => `${node.id} acknowledges up to ${message.matchIndex}, durable is ${entries.length - 1}`,
    );
    for (let index = message.matchIndex as number; index > Math.max(0, message.matchIndex - 8); index -= 1) {
      const replaced = entries[index]?.term !== node.entry(index)?.term;
      check(
        !replaced || newer,
        'Acknowledged Is Durable',
        () => `${node.id} acknowledges entry ${index}, of which the disk holds another`,
      );
    }
  }
}
