/** Fetches the snapshot that a leader offered: piece by piece, at a pace that leaves room for live replication, resumed where it was broken off. */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/sleep.ts';
import type { SnapshotSource } from '../raft/effects.ts';
import type { LogBase } from '../raft/types.ts';
import type { SnapshotReceiver, SnapshotStore } from '../storage/snapshot-store.ts';
import { isRefusalOfDisk } from './log-errors.ts';
import type { PeerNetwork, SnapshotPiece } from './peer-network.ts';

export interface SnapshotFetchOptions {
  readonly network: PeerNetwork;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  readonly logger: Logger;
  /** Asked for at a time. */
  readonly pieceBytes: number;
  /** The disk refused. */
  readonly onFailed: (error: Error) => void;
  /** It is whole, verified and durable. */
  readonly onFetched: (base: LogBase) => void;
}

export class SnapshotFetch {
  readonly #options: SnapshotFetchOptions;
  #fetching = false;
  #stopped = false;

  constructor(options: SnapshotFetchOptions) {
    this.#options = options;
  }

  /** Unless one is being fetched already: the leader repeats its offer for as long as it is needed. */
  begin(source: SnapshotSource): void {
    if (this.#fetching || this.#stopped) return;
    this.#fetching = true;
    const { onFetched } = this.#options;
    this.#fetch(source)
      .then(
        (base) => {
          if (base !== undefined && !this.#stopped) onFetched(base);
        },
        (error) => this.#notFetched(source, error),
      )
      .finally(() => {
        this.#fetching = false;
      });
  }

  stop(): void {
    this.#stopped = true;
  }

  async #fetch(source: SnapshotSource): Promise<LogBase | undefined> {
    const { snapshots, logger } = this.#options;
    const { index, term } = source;
    const held = snapshots.list().find((info) => info.index === index && info.term === term);
    if (held !== undefined) return { index, term, configuration: held.configuration };
    const first = await this.#piece(source, 0);
    if (first === undefined) return undefined;
    const { totalBytes: bytes, crc, configuration } = first;
    const base = { index, term, configuration };
    const receiver = await snapshots.receive({ ...base, bytes, crc });
    logger.info(
      { from: source.from, snapshot: index, bytes, have: receiver.receivedBytes },
      'fetching a snapshot: the log before it is no longer kept',
    );
    try {
      if (!(await this.#receiveAll(source, receiver, first))) return undefined;
      logger.info({ snapshot: index, bytes }, 'snapshot fetched');
      return base;
    } finally {
      // What has come so far is there for the next offer.
      await receiver.close();
    }
  }

  /** False when it cannot be had, or this node stops. */
  async #receiveAll(source: SnapshotSource, receiver: SnapshotReceiver, first: SnapshotPiece): Promise<boolean> {
    let piece: SnapshotPiece | undefined = receiver.receivedBytes === 0 ? first : undefined;
    while (receiver.receivedBytes < first.totalBytes) {
      if (this.#stopped) return false;
      piece ??= await this.#piece(source, receiver.receivedBytes);
      if (piece === undefined || piece.crc !== first.crc || piece.content.length === 0) {
        await receiver.abandon();
        return false;
      }
      await receiver.append(receiver.receivedBytes, piece.content);
      await this.#rest(piece.content.length);
      piece = undefined;
    }
    await receiver.finish();
    return true;
  }

  #notFetched({ from, index }: SnapshotSource, error: unknown): void {
    const { logger, onFailed } = this.#options;
    if (isRefusalOfDisk(error)) return onFailed(error);
    logger.warn({ from, snapshot: index, error: String(error) }, 'snapshot not fetched: it will be offered again');
  }

  #piece({ from, index, term }: SnapshotSource, position: number): Promise<SnapshotPiece | undefined> {
    const { network, pieceBytes } = this.#options;
    return network.fetchSnapshot(from, { index, term }, position, pieceBytes);
  }

  #rest(bytes: number): Promise<void> {
    const { clock, bytesPerSecond } = this.#options;
    return sleep(clock, (bytes * 1_000) / bytesPerSecond);
  }
}
