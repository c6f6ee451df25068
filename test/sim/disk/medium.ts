/** The files of a disk and what goes wrong with them. Everything here takes no time: when it happens is the queue's affair. */
import { assert } from '../../../src/base/assert.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { diskError } from './disk-error.ts';
import type { DiskFault } from './disk-fault.ts';
import { NameTable } from './name-table.ts';
import { drawSurvival, POWER_CUT_PROFILES, SECTOR_BYTES, survivingNames } from './power-cut.ts';
import type { SimFile, SyncPoint } from './sim-file.ts';

/** Where a misdirected write lands: in another file, at another position of the same, or both. */
export interface WrongPlace {
  readonly path?: string | undefined;
  readonly position?: number | undefined;
}

/** A write that is about to be done. */
export interface WriteInSight {
  readonly path: string;
  readonly position: number;
  readonly bytes: Buffer;
}

/** Whether a write is the one to strike. Asked of each until it is. */
export type Aim = (write: WriteInSight) => boolean;

type ArmedWrite = { readonly aim?: Aim | undefined } & (
  | { readonly kind: 'fail' }
  | { readonly kind: 'lose' }
  | { readonly kind: 'misdirect'; readonly to: WrongPlace }
);

/** A file, under the name by which it was opened. */
export interface OpenFile {
  readonly path: string;
  readonly file: SimFile;
}

export class Medium {
  readonly names = new NameTable();
  capacityBytes = Number.MAX_SAFE_INTEGER;
  readonly #random: SimRandom;
  readonly #onFault: (fault: DiskFault) => void;
  /** Each strikes one write, the first of them the next one that is aimed at. */
  #armedWrites: ArmedWrite[] = [];
  #armedSyncFailures = 0;

  constructor(random: SimRandom, onFault: (fault: DiskFault) => void) {
    this.#random = random;
    this.#onFault = onFault;
  }

  get usedBytes(): number {
    return this.names.files.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0);
  }

  armWrite(fault: ArmedWrite): void {
    this.#armedWrites.push(fault);
  }

  armSyncFailure(): void {
    this.#armedSyncFailures += 1;
  }

  disarm(): void {
    this.#armedWrites = [];
    this.#armedSyncFailures = 0;
  }

  /** Throws EIO where a sector is unreadable. */
  read({ path, file }: OpenFile, position: number, length: number): Buffer {
    if (!file.isReadable(position, length)) throw diskError('EIO', path);
    return file.read(position, length);
  }

  /** Into the page cache. Throws EIO or ENOSPC after a part of it, as a loop around write(2) does. */
  write({ path, file }: OpenFile, position: number, buffers: readonly Uint8Array[]): void {
    assert(Number.isSafeInteger(position) && position >= 0, `not a position: ${position}`);
    const bytes = joined(buffers);
    const place = { path, position, length: bytes.length };
    if (!file.isWritable(position, bytes.length)) throw diskError('EIO', path);
    const armed = this.#takeArmed({ path, position, bytes });
    if (armed?.kind === 'fail') {
      const written = this.#writeSome(file, position, bytes, this.#random.between(0, bytes.length));
      this.#onFault({ kind: 'writeFailed', written, ...place });
      throw diskError('EIO', path);
    }
    const written = this.#writeSome(file, position, bytes, bytes.length);
    if (written < bytes.length) {
      this.#onFault({ kind: 'diskFull', written, ...place });
      throw diskError('ENOSPC', path);
    }
    if (armed === undefined) return;
    // The page cache does not know: it holds what was written, and calls it clean. Only the disk is wrong.
    file.failRange(file.beginSync(), position, bytes.length);
    if (armed.kind === 'lose') this.#onFault({ kind: 'writeLost', ...place });
    else this.#misdirect({ path, file }, position, bytes.length, armed.to);
  }

  /** A write whose process is killed on the way: none of it, all, or a first part. */
  writeInterrupted({ file }: OpenFile, position: number, buffers: readonly Uint8Array[]): void {
    const bytes = joined(buffers);
    const length = this.#random.pick([0, bytes.length, this.#random.between(0, bytes.length)]);
    this.#writeSome(file, position, bytes, length);
  }

  sync({ path, file }: OpenFile, point: SyncPoint): void {
    this.#perhapsFail(path, () => file.failSync(point));
    file.sync(point);
  }

  syncRange({ path, file }: OpenFile, point: SyncPoint, position: number, length: number): void {
    this.#perhapsFail(path, () => file.failRange(point, position, length));
    file.syncRange(point, position, length);
  }

  powerCut(): void {
    const profile = this.#random.pick(POWER_CUT_PROFILES);
    const unsettled = this.names.unsettled;
    const kept = survivingNames(profile, unsettled, this.#random);
    this.names.powerCut(kept);
    const sectors = { kept: 0, lost: 0 };
    for (const [, file] of this.names.files) {
      const counts = file.powerCut(drawSurvival(profile, this.#random));
      sectors.kept += counts.kept;
      sectors.lost += counts.lost;
    }
    this.#onFault({ kind: 'powerCut', profile, sectors, names: { kept, undone: unsettled - kept } });
  }

  #takeArmed(write: WriteInSight): ArmedWrite | undefined {
    const at = this.#armedWrites.findIndex(({ aim }) => aim === undefined || aim(write));
    return at === -1 ? undefined : this.#armedWrites.splice(at, 1)[0];
  }

  #perhapsFail(path: string, fail: () => number): void {
    if (this.#armedSyncFailures === 0) return;
    this.#armedSyncFailures -= 1;
    this.#onFault({ kind: 'syncFailed', path, sectors: fail() });
    throw diskError('EIO', path);
  }

  /** As much of the first `length` bytes as there is room for. */
  #writeSome(file: SimFile, position: number, bytes: Buffer, length: number): number {
    const growth = Math.max(0, position + length - file.sizeBytes);
    const limited = growth > 0 && this.capacityBytes < Number.MAX_SAFE_INTEGER;
    const missing = limited ? Math.min(growth, Math.max(0, growth - (this.capacityBytes - this.usedBytes))) : 0;
    const written = Math.max(0, length - missing);
    file.write(position, bytes.subarray(0, written));
    return written;
  }

  /** Whole sectors, for nothing smaller goes to a disk. Where no file has them, they hit nobody. */
  #misdirect({ path, file }: OpenFile, position: number, length: number, to: WrongPlace): void {
    const toPath = to.path ?? path;
    const at = to.position ?? position;
    const toPosition = at - (at % SECTOR_BYTES);
    const target = this.names.find(toPath);
    for (const [sector, image] of file.sectors(position, length).entries())
      target?.damage(toPosition + sector * SECTOR_BYTES, () => image);
    this.#onFault({ kind: 'writeMisdirected', path, position, length, toPath, toPosition });
  }
}

function joined(buffers: readonly Uint8Array[]): Buffer {
  const [only] = buffers;
  if (buffers.length !== 1 || only === undefined) return Buffer.concat(buffers);
  return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
}
