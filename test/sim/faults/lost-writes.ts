/**
 * Writes of the log that the disk acknowledges and loses, or puts in another place. The page cache hides it until a later unit is on the
 * disk that vouches for what was lost: before that, nobody could tell it from a torn tail (docs/storage.md).
 */
import type { WriteInSight } from '../disk/medium.ts';
import type { SimDisk } from '../disk/sim-disk.ts';
import type { SimRandom } from '../engine/sim-random.ts';
import { attestedSegments, writtenSegments } from './rot.ts';

const UNIT_MAGIC = 'LGRU';

interface Place {
  readonly path: string;
  readonly end: number;
}

export class LostWrites {
  readonly #disk: SimDisk;
  readonly #random: SimRandom;
  #armed = false;
  #lost: Place | undefined;

  constructor(disk: SimDisk, random: SimRandom) {
    this.#disk = disk;
    this.#random = random;
  }

  /** Something is lost that no later unit vouches for yet: the power may not go now. */
  get exposed(): boolean {
    const lost = this.#lost;
    if (lost === undefined) return false;
    const vouched = writtenSegments(this.#disk).some(({ path, end }) => path > lost.path || (path === lost.path && end > lost.end));
    // Dropped with its segment, or with the whole disk, it is of no interest any more.
    const exposed = !vouched && this.#disk.files().includes(lost.path);
    if (!exposed) this.#lost = undefined;
    return exposed;
  }

  /** One at a time. */
  arm(kind: 'loseWrite' | 'misdirectWrite'): boolean {
    if (this.#armed || this.exposed) return false;
    if (kind === 'loseWrite') {
      this.#disk.loseNextWrite((write) => this.#isUnit(write));
    } else {
      const attested = attestedSegments(this.#disk);
      if (attested.length === 0) return false;
      const { path, end } = this.#random.pick(attested);
      this.#disk.misdirectNextWrite({ path, position: this.#random.between(0, end) }, (write) => this.#isUnit(write));
    }
    this.#armed = true;
    return true;
  }

  #isUnit({ path, position, bytes }: WriteInSight): boolean {
    if (!path.endsWith('.segment') || bytes.toString('latin1', 0, UNIT_MAGIC.length) !== UNIT_MAGIC) return false;
    this.#armed = false;
    this.#lost = { path, end: position + bytes.length };
    return true;
  }
}
