/** One file: what the page cache holds, and which sectors of it the disk does not have yet, with what it has in their place. */
export const SECTOR_BYTES = 512;

/** Called clean by a failed sync. */
const LOST = Number.MAX_SAFE_INTEGER;

export interface SyncImage {
  readonly sectors: ReadonlyMap<number, { readonly mark: number; readonly bytes: Buffer }>;
  readonly size: number;
}

interface DirtySector {
  /** Grows with each write. */
  readonly mark: number;
  /** What the disk holds. */
  readonly durable: Buffer;
}

export class SimFile {
  path: string;
  #cached: Buffer;
  #size: number;
  /** Size that the disk knows. */
  #durableSize: number;
  readonly #dirty = new Map<number, DirtySector>();
  #mark = 0;

  constructor(path: string) {
    this.path = path;
    this.#cached = Buffer.alloc(4_096);
    this.#size = 0;
    this.#durableSize = 0;
  }

  static with(path: string, bytes: Buffer): SimFile {
    const file = new SimFile(path);
    file.#cached = bytes;
    file.#size = bytes.length;
    file.#durableSize = bytes.length;
    return file;
  }

  get size(): number {
    return this.#size;
  }

  read(position: number, length: number): Buffer {
    return Buffer.from(this.#cached.subarray(position, Math.min(this.#size, position + length)));
  }

  write(position: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#mark += 1;
    const end = position + bytes.length;
    this.#grow(end);
    for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector += 1) {
      const known = this.#dirty.get(sector);
      const durable = known?.durable ?? Buffer.from(this.#cached.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
      this.#dirty.set(sector, { mark: this.#mark, durable });
    }
    bytes.copy(this.#cached, position);
    this.#size = Math.max(this.#size, end);
  }

  /** What a sync that begins now promises to make durable. */
  beginSync(): SyncImage {
    const sectors = new Map<number, { readonly mark: number; readonly bytes: Buffer }>();
    for (const [sector, { mark }] of this.#dirty) {
      if (mark === LOST) continue;
      const at = sector * SECTOR_BYTES;
      sectors.set(sector, { mark, bytes: Buffer.from(this.#cached.subarray(at, at + SECTOR_BYTES)) });
    }
    return { sectors, size: this.#size };
  }

  sync(image: SyncImage): void {
    this.#durableSize = Math.max(this.#durableSize, image.size);
    for (const [sector, { mark, bytes }] of image.sectors) {
      const dirty = this.#dirty.get(sector);
      if (dirty === undefined || dirty.mark === LOST) continue;
      if (dirty.mark === mark) this.#dirty.delete(sector);
      // Written again since: that much the disk has.
      else this.#dirty.set(sector, { mark: dirty.mark, durable: bytes });
    }
  }

  /** A failed sync calls pages clean that the disk does not have: no later sync writes them. They are lost with the page cache. */
  failSync(image: SyncImage): void {
    for (const sector of image.sectors.keys()) {
      const dirty = this.#dirty.get(sector);
      if (dirty !== undefined) this.#dirty.set(sector, { mark: LOST, durable: dirty.durable });
    }
  }

  /** The page cache is gone. `survival` says how many bytes of each sector that was on its way the disk has. */
  crash(survival: (sector: Buffer) => number): void {
    for (const [sector, { durable }] of this.#dirty) {
      const at = sector * SECTOR_BYTES;
      const written = Buffer.from(this.#cached.subarray(at, at + SECTOR_BYTES));
      const kept = survival(written);
      durable.copy(this.#cached, at);
      written.copy(this.#cached, at, 0, kept);
    }
    this.#dirty.clear();
    this.#size = Math.max(this.#durableSize, Math.min(this.#size, this.#durableSize));
  }

  flip(position: number, bit: number): void {
    this.#cached[position] = (this.#cached[position] as number) ^ (1 << bit);
  }

  #grow(bytes: number): void {
    if (bytes <= this.#cached.length) return;
    const larger = Buffer.alloc(Math.max(bytes, 2 * this.#cached.length));
    this.#cached.copy(larger, 0, 0, this.#size);
    this.#cached = larger;
  }
}
