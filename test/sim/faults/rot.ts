/**
 * What happens to a log on a disk that rots. Only to what a later unit attests: the last write of all has nobody yet who vouches for it, and damage to it
 * cannot be told from a torn tail (docs/storage.md).
 */
import type { SimDisk } from '../disk/sim-disk.ts';
import type { SimRandom } from '../engine/sim-random.ts';

const HEADER_BYTES = 4_096;

/** False when there is nothing to damage yet. */
export function rot(kind: 'flipBit' | 'zeroSector' | 'loseSegment', disk: SimDisk, random: SimRandom): boolean {
  const written = disk.files().flatMap((path) => {
    if (!path.endsWith('.segment')) return [];
    const end = lastByte(disk.durableBytes(path));
    return end > HEADER_BYTES ? [{ path, end }] : [];
  });
  // What comes after the segment that is being written to is empty; two segments later there is a unit that vouches.
  const attested = written.slice(0, -2);
  if (attested.length === 0) return false;
  const { path, end } = random.pick(attested);
  if (kind === 'loseSegment') disk.loseFile(path);
  else if (kind === 'zeroSector') disk.zeroSector(path, random.between(0, end));
  else disk.flipBit(path, random.between(0, end), random.between(0, 7));
  return true;
}

function lastByte(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= 0; at -= 1) if (bytes[at] !== 0) return at;
  return 0;
}
