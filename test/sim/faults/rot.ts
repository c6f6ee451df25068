/**
 * What happens to the files of a node on a disk that rots. To its log only where a later unit attests: the last write of all has nobody yet who
 * vouches for it, and damage to it cannot be told from a torn tail (docs/storage.md).
 */
import type { SimDisk } from '../disk/sim-disk.ts';
import type { SimRandom } from '../engine/sim-random.ts';

const HEADER_BYTES = 4_096;
const HEAD = '/data/groups/g1/log/head';

export type RotKind = 'flipBit' | 'zeroSector' | 'unreadableSector' | 'loseSegment' | 'rotSnapshot' | 'loseSnapshot' | 'loseHead';

/** A file, up to its last byte that is not zero. */
interface Target {
  readonly path: string;
  readonly end: number;
}

/** False when there is nothing to damage yet. */
export function rot(kind: RotKind, disk: SimDisk, random: SimRandom): boolean {
  if (kind === 'loseHead') return lose(disk, hasHead(disk) ? [HEAD] : [], random);
  if (kind === 'loseSnapshot') return lose(disk, paths(snapshots(disk)), random);
  if (kind === 'rotSnapshot')
    return spoil(disk, random.pick(['flipBit', 'zeroSector', 'unreadableSector']), snapshots(disk), random);
  if (kind === 'loseSegment') return lose(disk, paths(attestedSegments(disk)), random);
  return spoil(disk, kind, attestedSegments(disk), random);
}

export function hasHead(disk: SimDisk): boolean {
  return disk.files().includes(HEAD);
}

/** Segments that hold units, oldest first. */
export function writtenSegments(disk: SimDisk): readonly Target[] {
  return targets(disk, '.segment').filter(({ end }) => end > HEADER_BYTES);
}

/** What comes after the segment that is being written to is empty; two segments later there is a unit that vouches. */
export function attestedSegments(disk: SimDisk): readonly Target[] {
  return writtenSegments(disk).slice(0, -2);
}

function snapshots(disk: SimDisk): readonly Target[] {
  return targets(disk, '.snapshot');
}

function lose(disk: SimDisk, from: readonly string[], random: SimRandom): boolean {
  if (from.length === 0) return false;
  disk.loseFile(random.pick(from));
  return true;
}

function spoil(
  disk: SimDisk,
  kind: 'flipBit' | 'zeroSector' | 'unreadableSector',
  from: readonly Target[],
  random: SimRandom,
): boolean {
  if (from.length === 0) return false;
  const { path, end } = random.pick(from);
  const position = random.between(0, end);
  if (kind === 'zeroSector') disk.zeroSector(path, position);
  else if (kind === 'unreadableSector') disk.makeUnreadable(path, position);
  else disk.flipBit(path, position, random.between(0, 7));
  return true;
}

function targets(disk: SimDisk, ending: string): readonly Target[] {
  return disk.files().flatMap((path) => {
    if (!path.endsWith(ending)) return [];
    const bytes = disk.durableBytes(path);
    return bytes.length === 0 ? [] : [{ path, end: lastByte(bytes) }];
  });
}

function paths(from: readonly Target[]): readonly string[] {
  return from.map(({ path }) => path);
}

function lastByte(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= 0; at -= 1) if (bytes[at] !== 0) return at;
  return 0;
}
