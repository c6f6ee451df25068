import type { Disk, DiskFile } from '../../../src/storage/disk.ts';

export const SECTOR_BYTES = 512;

/** A part of a write that is not synced: it reaches the disk whole, in part (its first bytes), or not. */
export interface Sector {
  readonly path: string;
  readonly position: number;
  readonly bytes: Buffer;
}

/** How many bytes of a sector survive a crash. */
export type Survival = (sector: Sector, at: number, all: readonly Sector[]) => number;

export const LOST: Survival = () => 0;
export const KEPT: Survival = (sector) => sector.bytes.length;

interface Contents {
  path: string;
  /** As the process sees it: the page cache. */
  cached: Buffer<ArrayBufferLike>;
  durable: Buffer<ArrayBufferLike>;
  pending: Sector[];
  /** Where sectors begin whose reading fails until they are written. */
  unreadable: Set<number>;
}

/** A disk that loses, tears, rots, stalls and fills up when told. Names are durable at once, as `Disk` promises; bytes are not. */
export class MemoryDisk implements Disk {
  readonly files = new Map<string, Contents>();
  /** All files together; writes that would make them larger fail with ENOSPC. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  syncs = 0;
  writes = 0;
  /** Called before each write: throw, or wait, to disturb it. */
  beforeWrite: ((path: string, position: number, bytes: number) => void | Promise<void>) | undefined;
  beforeSync: ((path: string) => void | Promise<void>) | undefined;
  #dead = false;

  /** The machine stops: this disk answers nobody any more. Returns the disk that the next process finds. */
  crash(survival: Survival): MemoryDisk {
    const pending = [...this.files.values()].flatMap((contents) => contents.pending);
    const next = this.afterCrash((sector) => survival(sector, pending.indexOf(sector), pending));
    this.#dead = true;
    return next;
  }

  /** What a crash would leave, while this disk goes on. */
  afterCrash(survival: Survival): MemoryDisk {
    const next = new MemoryDisk();
    for (const [path, { durable, pending }] of this.files) {
      const bytes = pending.reduce(
        (before: Buffer, sector, at) => applied(before, sector.position, sector.bytes.subarray(0, survival(sector, at, pending))),
        Buffer.from(durable),
      );
      const unreadable = new Set(this.contents(path).unreadable);
      next.files.set(path, { path, cached: Buffer.from(bytes), durable: Buffer.from(bytes), pending: [], unreadable });
    }
    return next;
  }

  /** Only the process stops: what it wrote stays in the page cache. */
  kill(): MemoryDisk {
    const next = new MemoryDisk();
    for (const [path, contents] of this.files) {
      const { cached, durable, pending, unreadable } = contents;
      next.files.set(path, {
        path,
        cached: Buffer.from(cached),
        durable: Buffer.from(durable),
        pending: [...pending],
        unreadable: new Set(unreadable),
      });
    }
    this.#dead = true;
    return next;
  }

  copy(): MemoryDisk {
    return this.afterCrash(LOST);
  }

  flip(path: string, position: number, bit: number): void {
    const { cached, durable } = this.contents(path);
    for (const bytes of new Set([cached, durable])) bytes[position] = (bytes[position] as number) ^ (1 << bit);
  }

  makeUnreadable(path: string, position: number): void {
    this.contents(path).unreadable.add(position - (position % SECTOR_BYTES));
  }

  contents(path: string): Contents {
    const contents = this.files.get(path);
    if (contents === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return contents;
  }

  get usedBytes(): number {
    return [...this.files.values()].reduce((sum, { cached }) => sum + cached.length, 0);
  }

  makeDirectory(): Promise<void> {
    return this.#alive(() => {});
  }

  list(directory: string): Promise<string[]> {
    return this.#alive(() =>
      [...this.files.keys()]
        .filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1))
        .sort(),
    );
  }

  readFile(path: string): Promise<Buffer | undefined> {
    return this.#alive(() => {
      const contents = this.files.get(path);
      return contents && read(contents, 0, contents.cached.length);
    });
  }

  replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    return this.#alive(() => {
      this.files.set(path, { path, cached: Buffer.from(bytes), durable: Buffer.from(bytes), pending: [], unreadable: new Set() });
    });
  }

  open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    return this.#alive(() => {
      if (create && this.files.has(path)) throw Object.assign(new Error(`EEXIST: ${path}`), { code: 'EEXIST' });
      if (create) {
        this.files.set(path, { path, cached: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [], unreadable: new Set() });
      }
      return this.#file(this.contents(path));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#alive(() => {
      const contents = this.contents(from);
      contents.pending = contents.pending.map((sector) => ({ ...sector, path: to }));
      contents.path = to;
      this.files.set(to, contents);
      this.files.delete(from);
    });
  }

  remove(path: string): Promise<void> {
    return this.#alive(() => {
      this.contents(path);
      this.files.delete(path);
    });
  }

  #file(contents: Contents): DiskFile {
    let closed = false;
    const alive = <Result>(work: () => Result | Promise<Result>): Promise<Result> =>
      this.#alive(() => {
        if (closed) throw new Error(`used after close: ${contents.path}`);
        return work();
      });
    const write = (position: number, buffers: readonly Uint8Array[]): Promise<void> =>
      alive(async () => {
        const bytes = Buffer.concat(buffers);
        await this.beforeWrite?.(contents.path, position, bytes.length);
        await this.#alive(() => this.#write(contents, position, bytes));
      });
    const sync = (): Promise<void> =>
      alive(async () => {
        const upTo = contents.pending.length;
        await this.beforeSync?.(contents.path);
        await this.#alive(() => {
          this.syncs += 1;
          for (const sector of contents.pending.splice(0, upTo))
            contents.durable = applied(contents.durable, sector.position, sector.bytes);
        });
      });
    return {
      size: () => alive(() => contents.cached.length),
      read: (position, length) => alive(() => read(contents, position, length)),
      write,
      sync,
      writeDurably: (position, buffers) => write(position, buffers).then(sync),
      close: () =>
        alive(() => {
          closed = true;
        }),
    };
  }

  #write(contents: Contents, position: number, bytes: Buffer): void {
    const growth = Math.max(0, position + bytes.length - contents.cached.length);
    if (growth > 0 && this.usedBytes + growth > this.capacityBytes)
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    for (const sector of contents.unreadable) {
      if (!overlaps(sector, position, bytes.length)) continue;
      // A part of a sector is written by reading the rest.
      if (position > sector || position + bytes.length < sector + SECTOR_BYTES) throw unreadable(contents.path);
      contents.unreadable.delete(sector);
    }
    this.writes += 1;
    contents.cached = applied(contents.cached, position, bytes);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
      contents.pending.push({ path: contents.path, position: position + at, bytes: bytes.subarray(at, end) });
      at = end;
    }
  }

  /** Every answer comes later, as a disk's does; a dead disk never answers. */
  async #alive<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    if (this.#dead) return new Promise(() => {});
    await undefined;
    if (this.#dead) return new Promise(() => {});
    return work();
  }
}

function read({ path, cached, unreadable: sectors }: Contents, position: number, length: number): Buffer {
  for (const sector of sectors) if (overlaps(sector, position, length)) throw unreadable(path);
  return Buffer.from(cached.subarray(position, position + length));
}

function overlaps(sector: number, position: number, length: number): boolean {
  return sector < position + length && position < sector + SECTOR_BYTES;
}

function unreadable(path: string): Error {
  return Object.assign(new Error(`EIO: unreadable, ${path}`), { code: 'EIO' });
}

function applied(before: Buffer, position: number, bytes: Buffer): Buffer {
  if (bytes.length === 0) return before;
  const size = Math.max(before.length, position + bytes.length);
  const after = size === before.length ? before : Buffer.concat([before, Buffer.alloc(size - before.length)]);
  bytes.copy(after, position);
  return after;
}
