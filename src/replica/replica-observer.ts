import type { Effects } from '../raft/effects.ts';
import type { Input } from '../raft/inputs.ts';
import type { PeerMessage } from '../raft/messages.ts';
import type { Entry, NodeId } from '../raft/types.ts';

/** Sees what a replica does, as it does it, and changes nothing: for checkers and traces. */
export interface ReplicaObserver {
  /** The core took an input; nothing of what it wants has been done yet. */
  stepped(input: Input, effects: Effects): void;
  /** A message leaves for a peer. */
  sent(to: NodeId, message: PeerMessage): void;
  applied(entry: Entry, result: unknown): void;
}
