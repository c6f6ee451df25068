/** What one member asks another for, one request and one answer at a time, apart from the lanes that consensus uses. */
import type { Member } from '../raft/configuration.ts';
import { type Entry, type LogPosition, logIndex, type NodeId, term } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import type { Hello } from '../rpc/generated/lograft/internal/v1/Hello.ts';
import { PeerService } from '../rpc/protos.ts';
import type { Channel } from '../rpc/transport.ts';
import type { SnapshotPiece } from './peer-network.ts';

/** Of a snapshot, in one answer. */
export const MAX_PIECE_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5_000;

export class PeerRequests {
  readonly #group: string;
  readonly #environment: Environment;
  readonly #channels = new Map<string, Channel>();
  #members: readonly Member[] = [];

  constructor(group: string, environment: Environment) {
    this.#group = group;
    this.#environment = environment;
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members;
    const kept = new Set(members.map(({ address }) => address));
    for (const [address, channel] of this.#channels) {
      if (kept.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
  }

  async entry(from: NodeId, { index, term: inTerm }: LogPosition): Promise<Entry | undefined> {
    const request = { group: this.#group, index, indexTerm: inTerm };
    const found = await orUndefined(this.#channelTo(from).call(PeerService.FetchEntry, request, { timeoutMs: TIMEOUT_MS }));
    if (found === undefined) return undefined;
    return { index: logIndex(found.index), term: term(found.term), kind: found.kind, payload: found.payload };
  }

  async snapshotPiece(
    from: NodeId,
    { index, term: indexTerm }: LogPosition,
    position: number,
    maxBytes: number,
  ): Promise<SnapshotPiece | undefined> {
    const request = { group: this.#group, index, indexTerm, position, maxBytes };
    const piece = await orUndefined(this.#channelTo(from).call(PeerService.FetchSnapshot, request, { timeoutMs: TIMEOUT_MS }));
    if (piece === undefined) return undefined;
    const { content, totalBytes, crc32c: crc, configuration } = piece;
    return { content, totalBytes, crc, configuration };
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #channelTo(node: NodeId): Channel {
    const address = this.#members.find(({ id }) => id === node)?.address;
    if (address === undefined) throw new LograftError('UNREACHABLE', `${node} is no member of ${this.#group}`);
    const channel = this.#channels.get(address) ?? this.#environment.transport.dial(address);
    this.#channels.set(address, channel);
    return channel;
  }
}

/** Asks who answers at an address. Rejects with a LograftError when nobody does. */
export async function introduce(group: string, address: string, environment: Environment, timeoutMs: number): Promise<Hello> {
  const channel = environment.transport.dial(address);
  try {
    return await channel.call(PeerService.Introduce, { group }, { timeoutMs });
  } finally {
    channel.close();
  }
}

/** The peer answered that it does not have it. */
async function orUndefined<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof LograftError && error.reason === 'OFFSET_NOT_RETAINED') return undefined;
    throw error;
  }
}
