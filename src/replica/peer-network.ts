import type { PeerMessage } from '../raft/messages.ts';
import type { NodeId } from '../raft/types.ts';

/** What carries messages to the other members. May lose, delay and repeat them; keeps the order of each lane while a connection lasts. */
export interface PeerNetwork {
  send(to: NodeId, message: PeerMessage): void;
}

/** What it tells its replica. */
export interface PeerEvents {
  onMessage(from: NodeId, message: PeerMessage): void;
  /** Both lanes to the peer are open. */
  onConnected(peer: NodeId): void;
  /** The peer's process is gone: nobody listens at its address. */
  onDisconnected(peer: NodeId): void;
}

export type Lane = 'control' | 'bulk';

/** Entries and what answers them go on the bulk lane; votes and signs of life never wait behind them. */
export function laneOf(message: PeerMessage): Lane {
  switch (message.type) {
    case 'appendRequest':
    case 'appendAccepted':
    case 'appendRejected':
      return 'bulk';
    default:
      return 'control';
  }
}
