/**
 * A snapshot file: a header of one or more blocks, then the content.
 *
 *     0 fixed fields, checksum over them and the configuration | 512, 1024 progress of receiving | 1536 configuration | content
 *
 * Progress is written to its two sectors in turn: a torn write leaves the other.
 */
import { crc32c } from '@node-rs/crc32';
import type { LogIndex, Term } from '../raft/types.ts';
import { alignUp, readNumber, writeNumber } from './bytes.ts';

export interface SnapshotInfo {
  /** The last entry that is in it. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Payload of the newest configuration entry up to there; undefined while the founding configuration holds. */
  readonly configuration: Uint8Array | undefined;
  /** Of the content. */
  readonly bytes: number;
  /** CRC32C of the content. */
  readonly crc: number;
}

export const SNAPSHOT_FORMAT = 1;
/** Fixed fields: what must be read first to know how long the header is. */
export const FIXED_BYTES = 64;
const BLOCK_BYTES = 4_096;
const MAGIC = Buffer.from('LOGRAFTN');
const AT = {
  crc: 8,
  format: 12,
  hasConfiguration: 14,
  contentCrc: 16,
  configurationBytes: 20,
  index: 24,
  term: 32,
  bytes: 40,
} as const;
const PROGRESS_POSITIONS = [512, 1_024] as const;
const PROGRESS_BYTES = 16;
const CONFIGURATION_POSITION = 1_536;

export type SnapshotVerdict =
  | { readonly type: 'valid'; readonly info: SnapshotInfo }
  | { readonly type: 'newerFormat'; readonly format: number }
  | { readonly type: 'damaged' };

export function snapshotHeaderBytes(configuration: Uint8Array | undefined): number {
  return alignUp(CONFIGURATION_POSITION + (configuration?.byteLength ?? 0), BLOCK_BYTES);
}

export function encodeSnapshotHeader({ index, term, configuration, bytes, crc }: SnapshotInfo): Buffer {
  const header = Buffer.alloc(snapshotHeaderBytes(configuration));
  MAGIC.copy(header);
  header.writeUInt16BE(SNAPSHOT_FORMAT, AT.format);
  header[AT.hasConfiguration] = configuration === undefined ? 0 : 1;
  header.writeUInt32BE(crc, AT.contentCrc);
  header.writeUInt32BE(configuration?.byteLength ?? 0, AT.configurationBytes);
  writeNumber(header, index, AT.index);
  writeNumber(header, term, AT.term);
  writeNumber(header, bytes, AT.bytes);
  if (configuration !== undefined) header.set(configuration, CONFIGURATION_POSITION);
  header.writeUInt32BE(headerCrc(header), AT.crc);
  return header;
}

/** How many bytes the header has, as its first bytes say. They are not verified yet. */
export function statedHeaderBytes(fixed: Buffer): number {
  return alignUp(CONFIGURATION_POSITION + fixed.readUInt32BE(AT.configurationBytes), BLOCK_BYTES);
}

export function decodeSnapshotHeader(header: Buffer): SnapshotVerdict {
  if (header.length < BLOCK_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) return { type: 'damaged' };
  if (header.length !== statedHeaderBytes(header) || headerCrc(header) !== header.readUInt32BE(AT.crc)) return { type: 'damaged' };
  // Every later format keeps magic, checksum and format number as they are.
  const format = header.readUInt16BE(AT.format);
  if (format > SNAPSHOT_FORMAT) return { type: 'newerFormat', format };
  const end = CONFIGURATION_POSITION + header.readUInt32BE(AT.configurationBytes);
  const info: SnapshotInfo = {
    index: readNumber(header, AT.index) as LogIndex,
    term: readNumber(header, AT.term) as Term,
    configuration: header[AT.hasConfiguration] === 1 ? Buffer.from(header.subarray(CONFIGURATION_POSITION, end)) : undefined,
    bytes: readNumber(header, AT.bytes),
    crc: header.readUInt32BE(AT.contentCrc),
  };
  return { type: 'valid', info };
}

/** What is written where, to say that this much of the content is durable. `turn` alternates. */
export function encodeProgress(receivedBytes: number, turn: number): { readonly position: number; readonly bytes: Buffer } {
  const bytes = Buffer.alloc(PROGRESS_BYTES);
  writeNumber(bytes, receivedBytes, 4);
  bytes.writeUInt32BE(crc32c(bytes.subarray(4)), 0);
  return { position: PROGRESS_POSITIONS[turn % 2] as number, bytes };
}

/** How much of the content is durable for certain. */
export function decodeProgress(header: Buffer): number {
  const found = PROGRESS_POSITIONS.map((position) => {
    const bytes = header.subarray(position, position + PROGRESS_BYTES);
    return crc32c(bytes.subarray(4)) === bytes.readUInt32BE(0) ? readNumber(bytes, 4) : 0;
  });
  return Math.max(...found);
}

export function sameSnapshot(one: SnapshotInfo, other: SnapshotInfo): boolean {
  return encodeSnapshotHeader(one).equals(encodeSnapshotHeader(other));
}

function headerCrc(header: Buffer): number {
  const configurationBytes = header.readUInt32BE(AT.configurationBytes);
  const configuration = header.subarray(CONFIGURATION_POSITION, CONFIGURATION_POSITION + configurationBytes);
  return crc32c(configuration, crc32c(header.subarray(AT.format, FIXED_BYTES)));
}
