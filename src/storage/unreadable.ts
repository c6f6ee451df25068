/**
 * Bytes that the drive cannot read (EIO) are damage like any other: they read as bytes that no checksum agrees with, and that are not zeros,
 * so that nobody takes them for the end of a log. A drive gives a sector that is written another place, so repair is to write it.
 */
import type { Disk, DiskFile } from './disk.ts';

/** What is read where nothing can be. */
const FILLING = 0xff;
/** The least that a drive may be unable to read. */
const SECTOR_BYTES = 512;

/** The disk, with reads that do not fail for what is on it. Writes and syncs fail as before. */
export function readAround(disk: Disk): Disk {
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    readFile: async (path) => {
      try {
        return await disk.readFile(path);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        return Buffer.of(FILLING);
      }
    },
    replaceFile: (path, bytes) => disk.replaceFile(path, bytes),
    open: async (path, options) => new ReadAroundFile(await disk.open(path, options)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
  };
}

class ReadAroundFile implements DiskFile {
  readonly #file: DiskFile;
  /** Where sectors begin that could not be read. */
  readonly #unreadable = new Set<number>();

  constructor(file: DiskFile) {
    this.#file = file;
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  async read(position: number, length: number): Promise<Buffer> {
    try {
      return await this.#file.read(position, length);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return this.#readHalves(position, Math.min(position + length, await this.#file.size()));
    }
  }

  write(position: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.#unreadable.size === 0) return this.#file.write(position, buffers);
    return this.#overWholeSectors(position, buffers, (from, bytes) => this.#file.write(from, [bytes]));
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  writeDurably(position: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.#unreadable.size === 0) return this.#file.writeDurably(position, buffers);
    return this.#overWholeSectors(position, buffers, (from, bytes) => this.#file.writeDurably(from, [bytes]));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Down to the sectors that cannot be read. */
  async #readHalves(from: number, end: number): Promise<Buffer> {
    const middle = Math.max(sectorOf((from + end) / 2), sectorOf(from) + SECTOR_BYTES);
    if (middle < end) return Buffer.concat([await this.read(from, middle - from), await this.read(middle, end - middle)]);
    this.#unreadable.add(sectorOf(from));
    return Buffer.alloc(end - from, FILLING);
  }

  /** A part of what cannot be read cannot be written: the rest would have to be read first. What else was in there stays lost. */
  async #overWholeSectors(
    position: number,
    buffers: readonly Uint8Array[],
    write: (from: number, bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const length = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const end = position + length;
    let from = position;
    for (let sector = sectorOf(position); this.#unreadable.has(sector); sector -= SECTOR_BYTES) from = sector;
    let to = end;
    for (let sector = sectorOf(end - 1); this.#unreadable.has(sector); sector += SECTOR_BYTES) to = sector + SECTOR_BYTES;
    // The last sector of a file may be a part of one.
    to = Math.max(end, Math.min(to, await this.#file.size()));
    await write(from, Buffer.concat([Buffer.alloc(position - from, FILLING), ...buffers, Buffer.alloc(to - end, FILLING)]));
    for (const sector of this.#unreadable) if (sector >= from && sector < to) this.#unreadable.delete(sector);
  }
}

function sectorOf(position: number): number {
  return position - (position % SECTOR_BYTES);
}

function isUnreadable(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'EIO';
}
