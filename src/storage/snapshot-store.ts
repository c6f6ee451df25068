/** Snapshots of the replicated state, one file each: what the dropped part of the log came to. */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { assert } from '../base/assert.ts';
import type { LogBase, LogIndex } from '../raft/types.ts';
import type { Disk, DiskFile } from './disk.ts';
import { StorageError, toStorageError } from './errors.ts';
import {
  checkedContent,
  damagedSnapshot,
  isReceiving,
  isWriting,
  readSnapshotHeader,
  receivingPath,
  removeIfThere,
  snapshotIndex,
  snapshotPath,
  verifyContent,
  writingPath,
} from './snapshot-file.ts';
import { encodeSnapshotHeader, type SnapshotInfo, snapshotHeaderBytes } from './snapshot-format.ts';
import { FileReceiver } from './snapshot-receiver.ts';
import { readAround } from './unreadable.ts';

export type { SnapshotInfo } from './snapshot-format.ts';

/** Written content is synced in such pieces: a sync at the end alone would hold up the log's. */
const SYNC_BYTES = 4 * 1024 * 1024;
const MAX_PARTS = 4_096;

export interface SnapshotStore {
  /** What was found wrong at open and since, for one log line each. */
  readonly notes: readonly string[];
  /** Whole ones, oldest first. Of their content that is known once it was read. */
  list(): readonly SnapshotInfo[];
  /** Durable when it resolves. One that is there already is not written again. */
  write(at: LogBase, parts: Iterable<Uint8Array>): Promise<SnapshotInfo>;
  /**
   * A piece of the content, at most `maxBytes` from `position`. The first read of a snapshot checks all of it, so that no other node fetches
   * one that has rotted; pieces are not checked. Rejects with `DAMAGED_SNAPSHOT`, or `TRIMMED` when it is not in the list.
   */
  read(index: LogIndex, position: number, maxBytes: number): Promise<Buffer>;
  /**
   * The whole content, checked before the first part is handed out, and again while it is: it rejects at the end when the disk changed
   * its mind meanwhile.
   */
  content(index: LogIndex): AsyncIterable<Buffer>;
  /** Begins, or resumes after a restart, receiving this snapshot; others half received are dropped. One at a time. */
  receive(info: SnapshotInfo): Promise<SnapshotReceiver>;
  /** Removes these. Reads under way may reject with `TRIMMED`. */
  remove(indexes: readonly LogIndex[]): Promise<void>;
  /** Waits for what is under way. What is half received stays for the next start. */
  close(): Promise<void>;
}

export interface SnapshotReceiver {
  /** Durable: go on from here. */
  readonly receivedBytes: number;
  /** Durable when it resolves. `position` is at most `receivedBytes`; what came before is passed over. */
  append(position: number, bytes: Buffer): Promise<void>;
  /** Verifies length and CRC; then it is in `list()`. Rejects with `DAMAGED_SNAPSHOT` and drops what was received when they are wrong. */
  finish(): Promise<void>;
  /** Drops what was received. */
  abandon(): Promise<void>;
  /** Lets go of it for now: what was received is kept, to be resumed with `receive`. Nothing happens when it has ended. */
  close(): Promise<void>;
}

/** Opens `directory`, or makes it. Damaged snapshots are removed, with a note: they can be fetched again. */
export async function openSnapshotStore(machineDisk: Disk, directory: string): Promise<SnapshotStore> {
  const disk = readAround(machineDisk);
  try {
    await disk.makeDirectory(directory);
    const notes: string[] = [];
    const found: SnapshotInfo[] = [];
    for (const name of await disk.list(directory)) {
      if (isWriting(name)) await disk.remove(join(directory, name));
      const index = snapshotIndex(name);
      if (index === undefined) continue;
      const info = await inspect(disk, join(directory, name), index);
      if (typeof info !== 'string') {
        found.push(info);
        continue;
      }
      notes.push(damagedSnapshot(index, info).message);
      await disk.remove(join(directory, name));
    }
    return new FileSnapshots(disk, directory, found, notes);
  } catch (error) {
    throw toStorageError(error, `opening the snapshots in ${directory}`);
  }
}

/** Or what is wrong with it. Its content is checked when it is read. */
async function inspect(disk: Disk, path: string, index: number): Promise<SnapshotInfo | string> {
  const file = await disk.open(path, { create: false });
  try {
    const header = await readSnapshotHeader(file, path);
    if (header === undefined) return 'its header is not what was written';
    const { info, fileBytes } = header;
    if (info.index !== index) return `it is a copy of snapshot ${info.index}`;
    const expected = snapshotHeaderBytes(info.configuration) + info.bytes;
    return fileBytes < expected ? `it has ${fileBytes} of ${expected} bytes` : info;
  } finally {
    await file.close();
  }
}

class FileSnapshots implements SnapshotStore {
  readonly notes: string[];
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #infos = new Map<number, SnapshotInfo>();
  /** Those whose whole content was read and found right, or is being read. */
  readonly #verified = new Map<number, Promise<void>>();
  #receiver: FileReceiver | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(disk: Disk, directory: string, found: readonly SnapshotInfo[], notes: string[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.notes = notes;
    for (const info of found) this.#infos.set(info.index, info);
  }

  list(): readonly SnapshotInfo[] {
    return [...this.#infos.values()].sort((a, b) => a.index - b.index);
  }

  write(at: LogBase, parts: Iterable<Uint8Array>): Promise<SnapshotInfo> {
    return this.#does(`writing snapshot ${at.index}`, async () => {
      const present = this.#infos.get(at.index);
      if (present !== undefined) return present;
      const path = writingPath(this.#directory, at.index);
      const info = await this.#writeFile(at, parts, path);
      await this.#disk.rename(path, snapshotPath(this.#directory, at.index));
      this.#infos.set(info.index, info);
      return info;
    });
  }

  read(index: LogIndex, position: number, maxBytes: number): Promise<Buffer> {
    return this.#does(`reading snapshot ${index}`, () =>
      this.#withFile(index, async (file, info) => {
        assert(position >= 0 && position <= info.bytes, `no byte ${position} in a snapshot of ${info.bytes}`);
        await this.#verify(file, info);
        return file.read(snapshotHeaderBytes(info.configuration) + position, Math.min(maxBytes, info.bytes - position));
      }),
    );
  }

  async *content(index: LogIndex): AsyncGenerator<Buffer> {
    const info = this.#infoOf(index);
    const file = await this.#does(`reading snapshot ${index}`, () => this.#open(info));
    try {
      await this.#does(`reading snapshot ${index}`, () => this.#verify(file, info));
      yield* checkedContent(file, info);
    } catch (error) {
      throw await this.#judged(error, info);
    } finally {
      await file.close();
    }
  }

  receive(info: SnapshotInfo): Promise<SnapshotReceiver> {
    return this.#does(`receiving snapshot ${info.index}`, async () => {
      assert(this.#receiver === undefined, 'one snapshot is received at a time');
      assert(!this.#infos.has(info.index), 'a snapshot that is there is not received');
      const mine = receivingPath(this.#directory, info.index);
      for (const name of await this.#disk.list(this.#directory)) {
        const path = join(this.#directory, name);
        if (isReceiving(name) && path !== mine) await this.#disk.remove(path);
      }
      this.#receiver = await FileReceiver.begin({
        disk: this.#disk,
        directory: this.#directory,
        info,
        onFinished: () => this.#infos.set(info.index, info),
        onEnded: () => {
          this.#receiver = undefined;
        },
      });
      return this.#receiver;
    });
  }

  remove(indexes: readonly LogIndex[]): Promise<void> {
    return this.#does('removing snapshots', async () => {
      for (const index of indexes) {
        if (!this.#infos.delete(index)) continue;
        this.#verified.delete(index);
        await removeIfThere(this.#disk, this.#directory, snapshotPath(this.#directory, index));
      }
    });
  }

  async close(): Promise<void> {
    assert(!this.#closed, 'a snapshot store is closed once');
    this.#closed = true;
    await this.#receiver?.close();
    await Promise.allSettled(this.#underWay);
  }

  /** The header comes last: it has the length and the checksum. */
  async #writeFile(at: LogBase, parts: Iterable<Uint8Array>, path: string): Promise<SnapshotInfo> {
    const { index, term, configuration } = at;
    const contentPosition = snapshotHeaderBytes(configuration);
    const file = await this.#disk.open(path, { create: true });
    try {
      let bytes = 0;
      let crc = 0;
      let gathered: Uint8Array[] = [];
      let gatheredBytes = 0;
      const flush = async (): Promise<void> => {
        await file.write(contentPosition + bytes - gatheredBytes, gathered);
        await file.sync();
        gathered = [];
        gatheredBytes = 0;
      };
      for (const part of parts) {
        crc = crc32c(part, crc);
        bytes += part.byteLength;
        gatheredBytes += part.byteLength;
        gathered.push(part);
        if (gatheredBytes >= SYNC_BYTES || gathered.length >= MAX_PARTS) await flush();
      }
      if (gatheredBytes > 0) await flush();
      const info = { index, term, configuration, bytes, crc };
      await file.write(0, [encodeSnapshotHeader(info)]);
      await file.sync();
      await file.close();
      return info;
    } catch (error) {
      await file.close().catch(() => {});
      await this.#disk.remove(path).catch(() => {});
      throw error;
    }
  }

  #infoOf(index: LogIndex): SnapshotInfo {
    const info = this.#infos.get(index);
    if (info === undefined) throw noSnapshot(index);
    return info;
  }

  async #open(info: SnapshotInfo): Promise<DiskFile> {
    try {
      return await this.#disk.open(snapshotPath(this.#directory, info.index), { create: false });
    } catch (error) {
      const isGone = (error as { code?: unknown }).code === 'ENOENT';
      throw await this.#judged(isGone ? damagedSnapshot(info.index, 'its file is gone') : error, info);
    }
  }

  async #withFile<Result>(index: LogIndex, work: (file: DiskFile, info: SnapshotInfo) => Promise<Result>): Promise<Result> {
    const info = this.#infoOf(index);
    const file = await this.#open(info);
    try {
      return await work(file, info);
    } catch (error) {
      throw await this.#judged(error, info);
    } finally {
      await file.close();
    }
  }

  #verify(file: DiskFile, info: SnapshotInfo): Promise<void> {
    const verified = this.#verified.get(info.index) ?? verifyContent(file, info);
    this.#verified.set(info.index, verified);
    return verified;
  }

  /** A damaged one leaves the list, and the disk. */
  async #judged(error: unknown, info: SnapshotInfo): Promise<unknown> {
    if (this.#infos.get(info.index) !== info) return noSnapshot(info.index);
    if (!(error instanceof StorageError) || error.code !== 'DAMAGED_SNAPSHOT') return error;
    this.#infos.delete(info.index);
    this.#verified.delete(info.index);
    this.notes.push(error.message);
    await removeIfThere(this.#disk, this.#directory, snapshotPath(this.#directory, info.index));
    return error;
  }

  #does<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
    assert(!this.#closed, 'a closed snapshot store does nothing');
    const working = work()
      .catch((error) => {
        throw toStorageError(error, doing);
      })
      .finally(() => this.#underWay.delete(working));
    this.#underWay.add(working);
    return working;
  }
}

function noSnapshot(index: number): StorageError {
  return new StorageError('TRIMMED', `there is no snapshot ${index}, or no longer. A newer one has what it had.`);
}
