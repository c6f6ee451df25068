/**
 * `log/head`: where the log begins. Segments before it, and what lies in its segment before its position, are no part of the log any more.
 * Replaced whole, durably, before anything of the log is removed: after a crash the log begins at the old place or at the new one.
 */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { assert } from '../base/assert.ts';
import type { HardState, LogBase, LogIndex, LogPosition, NodeId, Term } from '../raft/types.ts';
import { readNumber, writeNumber } from './bytes.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';

const HEAD_FORMAT = 1;
const MAGIC = Buffer.from('LOGRAFTH');
const FIXED_BYTES = 192;
const AT = {
  crc: 8,
  format: 12,
  flags: 14,
  voteBytes: 15,
  log: 16,
  segment: 32,
  position: 36,
  sequence: 40,
  lastIndex: 48,
  term: 56,
  baseIndex: 64,
  baseTerm: 72,
  floorIndex: 80,
  floorTerm: 88,
  configurationBytes: 96,
  lastTerm: 104,
  vote: 128,
} as const;
const FLAG = { configuration: 1, floor: 2 } as const;

/** What replaying begins with: the place of the first unit, and what the log had come to before it. */
export interface ReplayStart {
  readonly segment: number;
  readonly position: number;
  /** Of the last unit before. */
  readonly sequence: number;
  /** Of the last entry before: at most the base's index. */
  readonly lastIndex: number;
  /** Its term. Where the index is the base's, the entry may still be another, which a later unit replaced by the base's. */
  readonly lastTerm: Term;
  /** Never older than this, whatever units say: some that said so are gone. */
  readonly hardState: HardState;
}

export interface LogHead {
  readonly logId: Buffer;
  readonly start: ReplayStart;
  readonly base: LogBase;
  /** What the log held durably before a disk fault took it. */
  readonly floor: LogPosition | undefined;
}

export type HeadVerdict =
  | { readonly type: 'valid'; readonly head: LogHead }
  | { readonly type: 'newerFormat'; readonly format: number; readonly supported: number }
  | { readonly type: 'damaged' };

export function headPath(directory: string): string {
  return join(directory, 'head');
}

/** Of a log from which nothing was ever dropped. */
export function firstHead(logId: Buffer): LogHead {
  const hardState = { term: 0 as Term, vote: undefined };
  return {
    logId,
    start: { segment: 1, position: SEGMENT_HEADER_BYTES, sequence: 0, lastIndex: 0, lastTerm: 0 as Term, hardState },
    base: { index: 0 as LogIndex, term: 0 as Term, configuration: undefined },
    floor: undefined,
  };
}

export function encodeHead({ logId, start, base, floor }: LogHead): Buffer {
  assert(start.lastIndex <= base.index, 'nothing that is still in the log lies before its beginning');
  const configuration = base.configuration ?? new Uint8Array(0);
  const bytes = Buffer.alloc(FIXED_BYTES + configuration.byteLength);
  MAGIC.copy(bytes);
  bytes.writeUInt16BE(HEAD_FORMAT, AT.format);
  bytes[AT.flags] = (base.configuration === undefined ? 0 : FLAG.configuration) | (floor === undefined ? 0 : FLAG.floor);
  const { term, vote } = start.hardState;
  if (vote !== undefined) bytes[AT.voteBytes] = bytes.write(vote, AT.vote, FIXED_BYTES - AT.vote, 'latin1');
  logId.copy(bytes, AT.log);
  bytes.writeUInt32BE(start.segment, AT.segment);
  bytes.writeUInt32BE(start.position, AT.position);
  writeNumber(bytes, start.sequence, AT.sequence);
  writeNumber(bytes, start.lastIndex, AT.lastIndex);
  writeNumber(bytes, start.lastTerm, AT.lastTerm);
  writeNumber(bytes, term, AT.term);
  writeNumber(bytes, base.index, AT.baseIndex);
  writeNumber(bytes, base.term, AT.baseTerm);
  writeNumber(bytes, floor?.index ?? 0, AT.floorIndex);
  writeNumber(bytes, floor?.term ?? 0, AT.floorTerm);
  bytes.writeUInt32BE(configuration.byteLength, AT.configurationBytes);
  bytes.set(configuration, FIXED_BYTES);
  bytes.writeUInt32BE(crc32c(bytes.subarray(AT.format)), AT.crc);
  return bytes;
}

export function decodeHead(bytes: Buffer): HeadVerdict {
  if (bytes.length < FIXED_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { type: 'damaged' };
  if (crc32c(bytes.subarray(AT.format)) !== bytes.readUInt32BE(AT.crc)) return { type: 'damaged' };
  // Every later format keeps magic, checksum and format number where they are.
  const format = bytes.readUInt16BE(AT.format);
  if (format > HEAD_FORMAT) return { type: 'newerFormat', format, supported: HEAD_FORMAT };
  const flags = bytes.readUInt8(AT.flags);
  const position = (index: number, term: number): LogPosition => ({
    index: readNumber(bytes, index) as LogIndex,
    term: readNumber(bytes, term) as Term,
  });
  const configuration = Buffer.from(bytes.subarray(FIXED_BYTES, FIXED_BYTES + bytes.readUInt32BE(AT.configurationBytes)));
  const head: LogHead = {
    logId: Buffer.from(bytes.subarray(AT.log, AT.log + 16)),
    start: {
      segment: bytes.readUInt32BE(AT.segment),
      position: bytes.readUInt32BE(AT.position),
      sequence: readNumber(bytes, AT.sequence),
      lastIndex: readNumber(bytes, AT.lastIndex),
      lastTerm: readNumber(bytes, AT.lastTerm) as Term,
      hardState: decodeHardState(bytes),
    },
    base: {
      ...position(AT.baseIndex, AT.baseTerm),
      configuration: (flags & FLAG.configuration) === 0 ? undefined : configuration,
    },
    floor: (flags & FLAG.floor) === 0 ? undefined : position(AT.floorIndex, AT.floorTerm),
  };
  return { type: 'valid', head };
}

function decodeHardState(bytes: Buffer): HardState {
  const voteBytes = bytes.readUInt8(AT.voteBytes);
  const vote = voteBytes === 0 ? undefined : (bytes.toString('latin1', AT.vote, AT.vote + voteBytes) as NodeId);
  return { term: readNumber(bytes, AT.term) as Term, vote };
}
