/** What a power cut leaves of what was not synced. */
import type { SimRandom } from '../engine/sim-random.ts';

/** What a disk writes whole or not at all. A block of a file system, 4 KiB, is eight of them and may be torn. */
export const SECTOR_BYTES = 512;

/**
 * How a whole crash goes. Drawn once for each, because chance for each sector alone would hardly ever lose, or keep, everything.
 *
 * - `allLost`: the disk got to none of it.
 * - `allKept`: it got to everything, only nobody was told.
 * - `eachAlone`: sectors in any order, any version of each that was in the page cache, sizes with and without their data.
 * - `torn`: in the order in which it was written, up to some sector.
 */
export const POWER_CUT_PROFILES = ['allLost', 'allKept', 'eachAlone', 'torn'] as const;
export type PowerCutProfile = (typeof POWER_CUT_PROFILES)[number];

/** The fate of one file. */
export interface Survival {
  /**
   * Of the unsynced sector number `at` of `sectors`, in the order of their writing: which of its `images` is found. The first is what the
   * disk had, the last is what was in the page cache.
   */
  image(at: number, sectors: number, images: number): number;
  /** From `durableBytes` to `cachedBytes`; `keptBytes` is where the last kept sector ends. */
  size(durableBytes: number, cachedBytes: number, keptBytes: number): number;
}

export function drawSurvival(profile: PowerCutProfile, random: SimRandom): Survival {
  const share = random.fraction();
  switch (profile) {
    case 'allLost':
      return { image: () => 0, size: (durableBytes) => durableBytes };
    case 'allKept':
      return { image: (_at, _sectors, images) => images - 1, size: (_durableBytes, cachedBytes) => cachedBytes };
    case 'torn':
      return {
        image: (at, sectors, images) => (at < Math.floor(share * (sectors + 1)) ? images - 1 : 0),
        size: (durableBytes, cachedBytes, keptBytes) => Math.max(durableBytes, Math.min(cachedBytes, keptBytes)),
      };
    case 'eachAlone':
      return {
        image: (_at, _sectors, images) => (random.chance(share) ? images - 1 : random.between(0, images - 2)),
        size: (durableBytes, cachedBytes) => {
          const somewhere = random.between(durableBytes, cachedBytes);
          const atSector = Math.max(durableBytes, somewhere - (somewhere % SECTOR_BYTES));
          return random.pick([durableBytes, atSector, cachedBytes]);
        },
      };
  }
}

/** How many of `changes` of names, in the order of the file system's journal, the disk has. */
export function survivingNames(profile: PowerCutProfile, changes: number, random: SimRandom): number {
  if (profile === 'allLost') return 0;
  return profile === 'allKept' ? changes : random.between(0, changes);
}
