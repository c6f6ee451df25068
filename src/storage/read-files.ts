import { assert } from '../base/assert.ts';
import type { Disk, DiskFile } from './disk.ts';
import { segmentPath } from './segment-header.ts';

const MAX_OPEN_FILES = 32;

interface OpenFile {
  readonly file: Promise<DiskFile>;
  users: number;
}

/** Segments that are open for reading. A few stay open, so that a log of any length needs few descriptors. */
export class ReadFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  /** Least recently used first. */
  readonly #open = new Map<number, OpenFile>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  async read(segment: number, position: number, length: number): Promise<Buffer> {
    const open = this.#open.get(segment) ?? {
      file: this.#disk.open(segmentPath(this.#directory, segment), { create: false }),
      users: 0,
    };
    this.#open.delete(segment);
    this.#open.set(segment, open);
    open.users += 1;
    try {
      return await (await open.file).read(position, length);
    } catch (error) {
      this.#open.delete(segment);
      throw error;
    } finally {
      open.users -= 1;
      await this.#closeOldest(MAX_OPEN_FILES);
    }
  }

  /** These segments are no more. Reads that are under way end first. */
  async forgetBefore(number: number): Promise<void> {
    for (const [segment, open] of this.#open) {
      if (segment >= number || open.users > 0) continue;
      this.#open.delete(segment);
      await (await open.file).close();
    }
  }

  /** No read may be under way. */
  async close(): Promise<void> {
    await this.#closeOldest(0);
    assert(this.#open.size === 0, 'files are closed when nobody reads them');
  }

  async #closeOldest(limit: number): Promise<void> {
    for (const [segment, open] of this.#open) {
      if (this.#open.size <= limit) return;
      if (open.users > 0) continue;
      this.#open.delete(segment);
      await (await open.file).close();
    }
  }
}
