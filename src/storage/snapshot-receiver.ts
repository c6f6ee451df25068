/** A snapshot on its way from another node. What was received survives a restart, so that a large one arrives some time. */
import { basename } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toStorageError } from './errors.ts';
import { readSnapshotHeader, receivingPath, removeIfThere, snapshotPath, verifyContent } from './snapshot-file.ts';
import { encodeProgress, encodeSnapshotHeader, type SnapshotInfo, sameSnapshot, snapshotHeaderBytes } from './snapshot-format.ts';
import type { SnapshotReceiver } from './snapshot-store.ts';

export interface FileReceiverOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly info: SnapshotInfo;
  /** It is there, whole and durable. */
  readonly onFinished: () => void;
  /** Finished, dropped or closed: another one may be received. */
  readonly onEnded: () => void;
}

export class FileReceiver implements SnapshotReceiver {
  readonly #options: FileReceiverOptions;
  readonly #path: string;
  readonly #file: DiskFile;
  #receivedBytes: number;
  #appends = 0;
  #ended = false;
  /** One thing at a time. */
  #last: Promise<void> = Promise.resolve();

  private constructor(options: FileReceiverOptions, path: string, file: DiskFile, receivedBytes: number) {
    this.#options = options;
    this.#path = path;
    this.#file = file;
    this.#receivedBytes = receivedBytes;
  }

  static async begin(options: FileReceiverOptions): Promise<FileReceiver> {
    const { disk, directory, info } = options;
    const path = receivingPath(directory, info.index);
    const resumed = await resume(options, path);
    if (resumed !== undefined) return new FileReceiver(options, path, resumed.file, resumed.receivedBytes);
    await removeIfThere(disk, directory, path);
    const file = await disk.open(path, { create: true });
    await file.writeDurably(0, [encodeSnapshotHeader(info)]);
    return new FileReceiver(options, path, file, 0);
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get index(): number {
    return this.#options.info.index;
  }

  append(position: number, bytes: Buffer): Promise<void> {
    return this.#inTurn(async () => {
      const { info } = this.#options;
      assert(position <= this.#receivedBytes, `a piece at ${position} where ${this.#receivedBytes} bytes were received`);
      assert(
        position + bytes.length <= info.bytes,
        `a piece up to ${position + bytes.length} of a snapshot of ${info.bytes} bytes`,
      );
      // A piece that comes twice is taken once.
      const fresh = bytes.subarray(this.#receivedBytes - position);
      if (fresh.length === 0) return;
      // Says what is durable before this piece: in the same sync, and true whatever of it survives.
      const progress = encodeProgress(this.#receivedBytes, this.#appends);
      await this.#file.write(progress.position, [progress.bytes]);
      await this.#file.write(snapshotHeaderBytes(info.configuration) + this.#receivedBytes, [fresh]);
      await this.#file.sync();
      this.#appends += 1;
      this.#receivedBytes += fresh.length;
    });
  }

  async finish(): Promise<void> {
    const { disk, directory, info, onFinished, onEnded } = this.#options;
    await this.#inTurn(async () => {
      assert(this.#receivedBytes === info.bytes, `${this.#receivedBytes} of ${info.bytes} bytes of the snapshot were received`);
      try {
        await verifyContent(this.#file, info);
      } catch (error) {
        await this.#drop();
        throw error;
      }
      await this.#file.sync();
      await this.#file.close();
      await disk.rename(this.#path, snapshotPath(directory, info.index));
      this.#ended = true;
      onFinished();
      onEnded();
    });
  }

  /** What was received is dropped. */
  async abandon(): Promise<void> {
    if (!this.#ended) await this.#inTurn(() => this.#drop());
  }

  /** What was received is kept for the next start. */
  async close(): Promise<void> {
    await this.#last.catch(() => {});
    if (this.#ended) return;
    this.#ended = true;
    await this.#file.close();
    this.#options.onEnded();
  }

  async #drop(): Promise<void> {
    this.#ended = true;
    await this.#file.close();
    await this.#options.disk.remove(this.#path);
    this.#options.onEnded();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(async () => {
      assert(!this.#ended, 'a snapshot that is received, or was dropped, takes nothing');
      try {
        await work();
      } catch (error) {
        throw toStorageError(error, `receiving snapshot ${this.#options.info.index}`);
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** The same snapshot, half received before a restart. */
async function resume(
  { disk, directory, info }: FileReceiverOptions,
  path: string,
): Promise<{ file: DiskFile; receivedBytes: number } | undefined> {
  const names = await disk.list(directory);
  if (!names.includes(basename(path))) return undefined;
  const file = await disk.open(path, { create: false });
  const header = await readSnapshotHeader(file, path);
  if (header === undefined || !sameSnapshot(header.info, info)) {
    await file.close();
    return undefined;
  }
  const present = Math.max(0, header.fileBytes - snapshotHeaderBytes(info.configuration));
  return { file, receivedBytes: Math.min(header.progressBytes, present, info.bytes) };
}
