/** What one member asks another for, one request and one answer at a time, apart from the lanes that consensus uses. */
import { type Entry, type LogPosition, logIndex, term } from '../raft/types.ts';
import type { Environment } from '../rpc/environment.ts';
import { LograftError } from '../rpc/error.ts';
import { PeerService } from '../rpc/protos.ts';
import type { Channel } from '../rpc/transport.ts';
import type { SnapshotPiece } from './peer-network.ts';

/** Of a snapshot, in one answer. */
export const MAX_PIECE_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5_000;

export class PeerRequests {
  readonly #environment: Environment;
  readonly #channels = new Map<string, Channel>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Lets go of the connections to all other addresses. */
  keep(addresses: ReadonlySet<string>): void {
    for (const [address, channel] of this.#channels) {
      if (addresses.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
  }

  async entry(address: string, group: string, { index, term: inTerm }: LogPosition): Promise<Entry | undefined> {
    const request = { group, index, indexTerm: inTerm };
    const found = await orUndefined(this.#channelTo(address).call(PeerService.FetchEntry, request, { timeoutMs: TIMEOUT_MS }));
    if (found === undefined) return undefined;
    return { index: logIndex(found.index), term: term(found.term), kind: found.kind, payload: found.payload };
  }

  async snapshotPiece(
    address: string,
    group: string,
    { index, term: indexTerm }: LogPosition,
    position: number,
    maxBytes: number,
  ): Promise<SnapshotPiece | undefined> {
    const request = { group, index, indexTerm, position, maxBytes };
    const piece = await orUndefined(this.#channelTo(address).call(PeerService.FetchSnapshot, request, { timeoutMs: TIMEOUT_MS }));
    if (piece === undefined) return undefined;
    const { content, totalBytes, crc32c: crc, configuration } = piece;
    return { content, totalBytes, crc, configuration };
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #channelTo(address: string): Channel {
    const channel = this.#channels.get(address) ?? this.#environment.transport.dial(address);
    this.#channels.set(address, channel);
    return channel;
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
