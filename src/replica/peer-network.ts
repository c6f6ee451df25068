import type { Member } from '../raft/configuration.ts';
import type { PeerMessage } from '../raft/messages.ts';
import type { Entry, LogIndex, LogPosition, NodeId, Term } from '../raft/types.ts';

/** A piece of a snapshot, and what the whole is. */
export interface SnapshotPiece {
  readonly content: Buffer;
  readonly totalBytes: number;
  readonly crc: number;
  readonly configuration: Uint8Array;
}

/** What carries messages to the other members. May lose, delay and repeat them; keeps the order of each lane while a connection lasts. */
export interface PeerNetwork {
  send(to: NodeId, message: PeerMessage): void;
  /** Who is to be reached from now on, besides this node itself. */
  setMembers(members: readonly Member[]): void;
  /** Undefined when the peer does not have it either. Rejects when it cannot be asked. */
  fetchEntry(from: NodeId, at: LogPosition): Promise<Entry | undefined>;
  /** Undefined when the peer no longer has it. Rejects when it cannot be asked. */
  fetchSnapshot(from: NodeId, at: LogPosition, position: number, maxBytes: number): Promise<SnapshotPiece | undefined>;
}

/** What it tells its replica, and asks it for others. */
export interface PeerEvents {
  /** `disk` is the sender's. */
  onMessage(from: NodeId, disk: string, message: PeerMessage): void;
  /** Both lanes to the peer are open. */
  onConnected(peer: NodeId): void;
  /** The peer's process is gone: nobody listens at its address. */
  onDisconnected(peer: NodeId): void;
  entryAt(index: LogIndex, term: Term): Promise<Entry | undefined>;
  snapshotPiece(index: LogIndex, term: Term, position: number, maxBytes: number): Promise<SnapshotPiece | undefined>;
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
