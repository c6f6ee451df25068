/** One file: what the page cache holds, what the disk holds, and which sectors of the cache are still to be written. */
import { assert } from '../../../src/base/assert.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { SECTOR_BYTES, type Survival } from './power-cut.ts';

/** Older versions of a sector that a power cut may bring back. A running sync keeps what it needs beyond them. */
const MAX_OLDER_IMAGES = 8;

/** What a sync that begins now has to make durable. */
export interface SyncPoint {
  /** Writes up to this one. */
  readonly write: number;
  readonly sizeBytes: number;
}

interface Handle {
  readonly process: SimProcess;
}

interface OlderImage {
  readonly write: number;
  readonly bytes: Buffer;
}

export class SimFile {
  /** Both have the same capacity, and zeros behind their size. */
  #cached: Buffer = Buffer.alloc(0);
  #durable: Buffer = Buffer.alloc(0);
  #cachedBytes = 0;
  #durableBytes = 0;
  /** Sectors to be written, each with the newest write to it. A sector that is not here is clean, which is not to say that the disk has it. */
  readonly #dirty = new Map<number, number>();
  /** What dirty sectors held before their newest write, oldest first. The disk may have got to any of it. */
  readonly #older = new Map<number, OlderImage[]>();
  /** Of the disk: reading them fails until they are written. */
  readonly #unreadable = new Set<number>();
  #writes = 0;
  #newestSync = 0;
  readonly #handles = new Set<Handle>();

  /** Somebody who lives has it open. */
  get isOpen(): boolean {
    for (const handle of this.#handles) if (!handle.process.alive) this.#handles.delete(handle);
    return this.#handles.size > 0;
  }

  open(process: SimProcess): Handle {
    const handle = { process };
    this.#handles.add(handle);
    return handle;
  }

  close(handle: Handle): void {
    this.#handles.delete(handle);
  }

  get sizeBytes(): number {
    return this.#cachedBytes;
  }

  cachedBytes(): Buffer {
    return Buffer.from(this.#cached.subarray(0, this.#cachedBytes));
  }

  durableBytes(): Buffer {
    return Buffer.from(this.#durable.subarray(0, this.#durableBytes));
  }

  /** Whether all of it is in the page cache or can be read. */
  isReadable(position: number, length: number): boolean {
    if (this.#unreadable.size === 0) return true;
    const end = sectorsEnd(Math.min(this.#cachedBytes, position + length));
    for (let sector = firstSector(position); sector < end; sector += 1) if (this.#isUnreadable(sector)) return false;
    return true;
  }

  /** A part of a sector is written by reading the rest. */
  isWritable(position: number, length: number): boolean {
    const whole = (sector: number): boolean =>
      position <= sector * SECTOR_BYTES && position + length >= Math.min(this.#cachedBytes, (sector + 1) * SECTOR_BYTES);
    const ends = [firstSector(position), sectorsEnd(position + length) - 1];
    return !ends.some((sector) => this.#isUnreadable(sector) && !whole(sector));
  }

  read(position: number, length: number): Buffer {
    return Buffer.from(this.#cached.subarray(position, Math.min(this.#cachedBytes, position + length)));
  }

  write(position: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    this.#reserve(end);
    this.#writes += 1;
    for (let sector = firstSector(position); sector < sectorsEnd(end); sector += 1) {
      const before = this.#dirty.get(sector);
      if (before !== undefined) this.#keepOlder(sector, before);
      this.#dirty.set(sector, this.#writes);
    }
    bytes.copy(this.#cached, position);
    this.#cachedBytes = Math.max(this.#cachedBytes, end);
  }

  beginSync(): SyncPoint {
    this.#newestSync = this.#writes;
    return { write: this.#writes, sizeBytes: this.#cachedBytes };
  }

  /** All of the file. */
  sync(point: SyncPoint): void {
    for (const sector of this.#dirty.keys()) this.#makeDurable(sector, point.write);
    this.#durableBytes = Math.max(this.#durableBytes, point.sizeBytes);
  }

  /** The sectors of a range alone, and the size: what O_DSYNC promises. */
  syncRange(point: SyncPoint, position: number, length: number): void {
    for (let sector = firstSector(position); sector < sectorsEnd(position + length); sector += 1)
      this.#makeDurable(sector, point.write);
    this.#durableBytes = Math.max(this.#durableBytes, point.sizeBytes);
  }

  /**
   * What a failed sync does: what it should have written is called clean, although the disk does not have it. No later sync writes it;
   * the reader sees it until the page cache is gone. Returns how many sectors.
   */
  failSync(point: SyncPoint): number {
    const before = this.#dirty.size;
    for (const sector of this.#dirty.keys()) this.#forget(sector, point.write);
    return before - this.#dirty.size;
  }

  /** The same, of a range: also what becomes of a write that the disk acknowledges and loses. */
  failRange(point: SyncPoint, position: number, length: number): number {
    const before = this.#dirty.size;
    for (let sector = firstSector(position); sector < sectorsEnd(position + length); sector += 1) this.#forget(sector, point.write);
    return before - this.#dirty.size;
  }

  /**
   * Bytes change on the medium. A clean sector shows it at once, as if its page had been evicted and read again; a dirty one is in memory,
   * so its reader sees nothing, and its next sync mends it. Only what both images have is hit: behind them is nobody's, or another's, space.
   */
  damage(position: number, change: (before: Buffer) => Buffer): void {
    const sector = firstSector(position);
    const start = sector * SECTOR_BYTES;
    const put = (image: Buffer, sizeBytes: number): void => {
      const here = image.subarray(start, Math.min(sizeBytes, start + SECTOR_BYTES));
      change(Buffer.from(here)).copy(image, start, 0, here.length);
    };
    put(this.#durable, this.#durableBytes);
    if (!this.#dirty.has(sector)) put(this.#cached, this.#cachedBytes);
  }

  /** A dirty sector is in memory, and is written some time. */
  makeUnreadable(position: number): void {
    this.#unreadable.add(firstSector(position));
  }

  /** Whole sectors, as they are in the page cache. */
  sectors(position: number, length: number): Buffer[] {
    const images: Buffer[] = [];
    for (let sector = firstSector(position); sector < sectorsEnd(position + length); sector += 1)
      images.push(Buffer.from(sectorOf(this.#cached, sector)));
    return images;
  }

  /** Clean pages leave the memory and are read again: what the disk does not have is no longer seen. */
  dropCache(): void {
    const kept = [...this.#dirty.keys()].map((sector) => [sector, Buffer.from(sectorOf(this.#cached, sector))] as const);
    this.#durable.copy(this.#cached);
    for (const [sector, bytes] of kept) bytes.copy(this.#cached, sector * SECTOR_BYTES);
  }

  /** The page cache is gone. Returns how many unsynced sectors the disk has in their newest version, and how many not. */
  powerCut(survival: Survival): { readonly kept: number; readonly lost: number } {
    const sectors = [...this.#dirty].sort(([one, write], [other, otherWrite]) => write - otherWrite || one - other);
    let kept = 0;
    let keptBytes = 0;
    for (const [at, [sector]] of sectors.entries()) {
      const images = this.#images(sector);
      const chosen = survival.image(at, sectors.length, images.length);
      (images[chosen] as Buffer).copy(this.#durable, sector * SECTOR_BYTES);
      if (chosen > 0) this.#unreadable.delete(sector);
      if (chosen < images.length - 1) continue;
      kept += 1;
      keptBytes = Math.max(keptBytes, (sector + 1) * SECTOR_BYTES);
    }
    const sizeBytes = survival.size(this.#durableBytes, Math.max(this.#durableBytes, this.#cachedBytes), keptBytes);
    assert(sizeBytes >= this.#durableBytes, 'a synced size is not lost');
    this.#durable.fill(0, sizeBytes);
    this.#durable.copy(this.#cached);
    this.#durableBytes = sizeBytes;
    this.#cachedBytes = sizeBytes;
    this.#dirty.clear();
    this.#older.clear();
    this.#handles.clear();
    return { kept, lost: sectors.length - kept };
  }

  /** What the disk has of a dirty sector, what it may have got meanwhile, and what the page cache holds. */
  #images(sector: number): Buffer[] {
    const older = this.#older.get(sector) ?? [];
    return [sectorOf(this.#durable, sector), ...older.map(({ bytes }) => bytes), sectorOf(this.#cached, sector)];
  }

  #makeDurable(sector: number, upTo: number): void {
    const newest = this.#dirty.get(sector);
    if (newest === undefined) return;
    if (newest <= upTo) {
      this.#cached.copy(this.#durable, sector * SECTOR_BYTES, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      this.#unreadable.delete(sector);
      this.#clean(sector);
      return;
    }
    // Written again since the sync began: of what came before, the newest.
    const reached = this.#older.get(sector)?.findLast(({ write }) => write <= upTo);
    reached?.bytes.copy(this.#durable, sector * SECTOR_BYTES);
    this.#forgetOlder(sector, upTo);
  }

  #isUnreadable(sector: number): boolean {
    return this.#unreadable.has(sector) && !this.#dirty.has(sector);
  }

  #forget(sector: number, upTo: number): void {
    if ((this.#dirty.get(sector) ?? 0) <= upTo) this.#clean(sector);
    else this.#forgetOlder(sector, upTo);
  }

  #clean(sector: number): void {
    this.#dirty.delete(sector);
    this.#older.delete(sector);
  }

  #forgetOlder(sector: number, upTo: number): void {
    const left = (this.#older.get(sector) ?? []).filter(({ write }) => write > upTo);
    if (left.length === 0) this.#older.delete(sector);
    else this.#older.set(sector, left);
  }

  #keepOlder(sector: number, write: number): void {
    const images = this.#older.get(sector) ?? [];
    const neededBySync = write <= this.#newestSync;
    if (images.length >= MAX_OLDER_IMAGES && !neededBySync) return;
    images.push({ write, bytes: Buffer.from(sectorOf(this.#cached, sector)) });
    this.#older.set(sector, images);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#cached.length) return;
    const capacity = sectorsEnd(Math.max(bytes, 2 * this.#cached.length)) * SECTOR_BYTES;
    this.#cached = grown(this.#cached, capacity);
    this.#durable = grown(this.#durable, capacity);
  }
}

function grown(image: Buffer, capacity: number): Buffer {
  const larger = Buffer.alloc(capacity);
  image.copy(larger);
  return larger;
}

function sectorOf(image: Buffer, sector: number): Buffer {
  return image.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}

function firstSector(position: number): number {
  return Math.floor(position / SECTOR_BYTES);
}

/** The first sector that bytes up to `end` do not touch. */
function sectorsEnd(end: number): number {
  return Math.ceil(end / SECTOR_BYTES);
}
