/** Snapshot files one at a time: reading what they say, and their content in pieces. */
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import type { Disk, DiskFile } from './disk.ts';
import { newerFormat, StorageError } from './errors.ts';
import {
  decodeProgress,
  decodeSnapshotHeader,
  FIXED_BYTES,
  SNAPSHOT_FORMAT,
  type SnapshotInfo,
  snapshotHeaderBytes,
  statedHeaderBytes,
} from './snapshot-format.ts';

/** Read at a time, so that a snapshot of any size takes little memory. */
export const PIECE_BYTES = 1024 * 1024;
/** A longer configuration than this is none: a damaged length must not allocate without end. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

const NAME = /^(\d+)\.snapshot$/;
const UNFINISHED = /^(\d+)\.snapshot\.(writing|receiving)$/;

export function snapshotPath(directory: string, index: number): string {
  return join(directory, `${index}.snapshot`);
}

export function writingPath(directory: string, index: number): string {
  return `${snapshotPath(directory, index)}.writing`;
}

export function receivingPath(directory: string, index: number): string {
  return `${snapshotPath(directory, index)}.receiving`;
}

export function snapshotIndex(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function isWriting(name: string): boolean {
  return UNFINISHED.exec(name)?.[2] === 'writing';
}

export function isReceiving(name: string): boolean {
  return UNFINISHED.exec(name)?.[2] === 'receiving';
}

export interface SnapshotHeader {
  readonly info: SnapshotInfo;
  /** How much of the content is durable, in one that is being received. */
  readonly progressBytes: number;
  readonly fileBytes: number;
}

/** Undefined when it is damaged. */
export async function readSnapshotHeader(file: DiskFile, path: string): Promise<SnapshotHeader | undefined> {
  const fixed = await file.read(0, FIXED_BYTES);
  if (fixed.length < FIXED_BYTES) return undefined;
  const length = statedHeaderBytes(fixed);
  if (length > MAX_HEADER_BYTES) return undefined;
  const header = await file.read(0, length);
  const verdict = decodeSnapshotHeader(header);
  if (verdict.type === 'newerFormat') throw newerFormat(path, verdict.format, SNAPSHOT_FORMAT);
  if (verdict.type === 'damaged') return undefined;
  return { info: verdict.info, progressBytes: decodeProgress(header), fileBytes: await file.size() };
}

/** The content in pieces. Rejects with `DAMAGED_SNAPSHOT` at its end when it is not what was written. */
export async function* checkedContent(file: DiskFile, info: SnapshotInfo): AsyncGenerator<Buffer> {
  const from = snapshotHeaderBytes(info.configuration);
  let crc = 0;
  for (let at = 0; at < info.bytes; ) {
    const piece = await file.read(from + at, Math.min(PIECE_BYTES, info.bytes - at));
    if (piece.length === 0) throw damagedSnapshot(info.index, `it ends after ${at} of ${info.bytes} bytes`);
    crc = crc32c(piece, crc);
    at += piece.length;
    yield piece;
  }
  if (crc !== info.crc) throw damagedSnapshot(info.index, 'its content is not what was written');
}

/** Reads all of it. */
export async function verifyContent(file: DiskFile, info: SnapshotInfo): Promise<void> {
  for await (const _ of checkedContent(file, info));
}

export function damagedSnapshot(index: number, why: string): StorageError {
  const advice = 'It is not used. The log and other snapshots are untouched; it can be made or fetched again.';
  return new StorageError('DAMAGED_SNAPSHOT', `snapshot ${index} is damaged: ${why}. ${advice}`);
}

export async function removeIfThere(disk: Disk, directory: string, path: string): Promise<void> {
  if ((await disk.list(directory)).some((name) => join(directory, name) === path)) await disk.remove(path);
}
