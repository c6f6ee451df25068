/** What was done to a disk: for the trace, and for whoever must know how much damage there is. */
import { unreachable } from '../../../src/base/assert.ts';
import type { PowerCutProfile } from './power-cut.ts';

/** Bytes of a file. */
interface Place {
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

export type DiskFault =
  | { readonly kind: 'powerCut'; readonly profile: PowerCutProfile; readonly sectors: SectorCounts; readonly names: NameCounts }
  | { readonly kind: 'stalled'; readonly untilMs: number }
  | { readonly kind: 'slowed'; readonly factor: number }
  | { readonly kind: 'capacitySet'; readonly bytes: number }
  /** Of `length` bytes, `written` found room. */
  | ({ readonly kind: 'diskFull'; readonly written: number } & Place)
  /** `sectors` are called clean and are not on the disk. */
  | { readonly kind: 'syncFailed'; readonly path: string; readonly sectors: number }
  | ({ readonly kind: 'writeFailed'; readonly written: number } & Place)
  | ({ readonly kind: 'writeLost' } & Place)
  | ({ readonly kind: 'writeMisdirected'; readonly toPath: string; readonly toPosition: number } & Place)
  | { readonly kind: 'bitFlipped'; readonly path: string; readonly position: number; readonly bit: number }
  | { readonly kind: 'sectorZeroed'; readonly path: string; readonly position: number }
  | { readonly kind: 'sectorUnreadable'; readonly path: string; readonly position: number }
  | { readonly kind: 'cacheDropped' }
  | { readonly kind: 'fileLost'; readonly path: string }
  | { readonly kind: 'wiped'; readonly files: number };

/** Of those that were not synced. */
interface SectorCounts {
  readonly kept: number;
  readonly lost: number;
}

interface NameCounts {
  readonly kept: number;
  readonly undone: number;
}

export function describeFault(fault: DiskFault): string {
  switch (fault.kind) {
    case 'powerCut': {
      const { profile, sectors, names } = fault;
      const words = `sectors ${sectors.kept} kept, ${sectors.lost} lost; names ${names.kept} kept, ${names.undone} undone`;
      return `loses power (${profile}): ${words}`;
    }
    case 'stalled':
      return `stalls until ${fault.untilMs.toFixed(3)}`;
    case 'slowed':
      return `is slowed down by ${fault.factor}`;
    case 'capacitySet':
      return `has room for ${fault.bytes} bytes`;
    case 'diskFull':
      return `is full: ${fault.written} bytes of ${place(fault)}`;
    case 'syncFailed':
      return `fails a sync of ${fault.path}: ${fault.sectors} sectors are called clean and are not there`;
    case 'writeFailed':
      return `fails a write after ${fault.written} bytes of ${place(fault)}`;
    case 'writeLost':
      return `acknowledges and loses ${place(fault)}`;
    case 'writeMisdirected':
      return `acknowledges ${place(fault)} and puts it at ${fault.toPosition} of ${fault.toPath}`;
    case 'bitFlipped':
      return `flips bit ${fault.bit} at ${fault.position} of ${fault.path}`;
    case 'sectorZeroed':
      return `zeroes the sector at ${fault.position} of ${fault.path}`;
    case 'sectorUnreadable':
      return `cannot read the sector at ${fault.position} of ${fault.path} any more`;
    case 'cacheDropped':
      return 'has its page cache dropped';
    case 'fileLost':
      return `loses the name ${fault.path}`;
    case 'wiped':
      return `is wiped: ${fault.files} files`;
    default:
      return unreachable(fault);
  }
}

function place({ path, position, length }: Place): string {
  return `${length} at ${position} of ${path}`;
}
