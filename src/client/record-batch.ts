/**
 * Records to bytes and back, by hand: a producer spends most of its time here. Byte for byte what `RecordSetCodec` and `RecordBatchCodec`
 * give (a test holds them together).
 */
import { crc32c } from '@node-rs/crc32';
import { assert } from '../base/assert.ts';
import { LograftError } from '../rpc/error.ts';

/** Bytes, or text that is written as UTF-8. */
export type Bytes = Uint8Array | string;

export interface RecordHeader {
  readonly name: string;
  readonly value: Bytes;
}

export interface EncodableRecord {
  readonly key?: Bytes | undefined;
  readonly value: Bytes;
  readonly timestampMs: number;
  readonly headers?: readonly RecordHeader[] | undefined;
}

/** What `RecordBatch` says about its records. */
export interface BatchHead {
  readonly topicId: number;
  readonly queue: number;
  readonly producerId: number;
  readonly firstSequence: number;
}

const TAG_RECORD = 0x0a;
const TAG_KEY = 0x0a;
const TAG_VALUE = 0x12;
const TAG_TIMESTAMP = 0x18;
const TAG_HEADER = 0x22;
const TAG_HEADER_NAME = 0x0a;
const TAG_HEADER_VALUE = 0x12;
/** Largest head: five tags with varints (5 + 5 + 10 + 10 + 5), the checksum, the length of the records. */
const HEAD_ROOM = 5 + 35 + 5 + 1 + 5;
const UINT32 = 0x1_0000_0000;

/** Size of the encoded Record, without tag and length. */
export function recordBytes(record: EncodableRecord): number {
  let size = fieldBytes(lengthOf(record.value)) + 1 + varintBytes(record.timestampMs);
  if (record.key !== undefined) size += fieldBytes(lengthOf(record.key));
  if (record.headers !== undefined) for (const header of record.headers) size += fieldBytes(headerBytes(header));
  return size;
}

/** Size of the record as part of a RecordSet. */
export function framedBytes(recordSize: number): number {
  return fieldBytes(recordSize);
}

function headerBytes({ name, value }: RecordHeader): number {
  return fieldBytes(Buffer.byteLength(name)) + fieldBytes(lengthOf(value));
}

function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function lengthOf(bytes: Bytes): number {
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  let size = 2;
  for (let rest = value / 0x4000; rest >= 1; rest /= 0x80) size += 1;
  return size;
}

const FIRST_BYTES = 4 * 1024;
/** Working buffers kept for the next batch, for all producers of the process together. */
const MAX_POOLED_BYTES = 8 * 1024 * 1024;
const pool: Buffer[] = [];
let pooledBytes = 0;

/** Takes records one by one; `seal` gives them as one buffer of exactly their size and frees the working buffer for the next batch. */
export class RecordSetWriter {
  #buffer: Buffer | undefined;
  #at = 0;
  #count = 0;

  /** Bytes written so far. */
  get size(): number {
    return this.#at;
  }

  get count(): number {
    return this.#count;
  }

  /** `size`: what `recordBytes(record)` gave. The record's bytes are copied. */
  append(record: EncodableRecord, size: number): void {
    const buffer = this.#room(framedBytes(size));
    let at = this.#at;
    buffer[at] = TAG_RECORD;
    at = writeVarint(buffer, at + 1, size);
    if (record.key !== undefined) at = writeField(buffer, at, TAG_KEY, record.key);
    at = writeField(buffer, at, TAG_VALUE, record.value);
    buffer[at] = TAG_TIMESTAMP;
    at = writeVarint(buffer, at + 1, record.timestampMs);
    if (record.headers !== undefined) {
      for (const header of record.headers) {
        buffer[at] = TAG_HEADER;
        at = writeVarint(buffer, at + 1, headerBytes(header));
        at = writeField(buffer, at, TAG_HEADER_NAME, header.name);
        at = writeField(buffer, at, TAG_HEADER_VALUE, header.value);
      }
    }
    assert(at - this.#at === framedBytes(size), 'a record takes the room that was worked out for it');
    this.#at = at;
    this.#count += 1;
  }

  /** The batch with these records. The writer is empty afterwards. */
  seal(): SealedRecords {
    assert(this.#buffer !== undefined && this.#count > 0, 'a batch holds a record at least');
    const sealed = new SealedRecords(this.#buffer.subarray(0, this.#at), this.#count);
    this.clear();
    return sealed;
  }

  clear(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    this.#at = 0;
    this.#count = 0;
    if (buffer === undefined || pooledBytes + buffer.length > MAX_POOLED_BYTES) return;
    pool.push(buffer);
    pooledBytes += buffer.length;
  }

  #room(bytes: number): Buffer {
    const needed = this.#at + bytes;
    const buffer = this.#buffer ?? this.#take();
    if (needed <= buffer.length) return buffer;
    let length = buffer.length;
    while (length < needed) length *= 2;
    const larger = Buffer.allocUnsafeSlow(length);
    buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
    return larger;
  }

  #take(): Buffer {
    const pooled = pool.pop();
    if (pooled !== undefined) pooledBytes -= pooled.length;
    this.#buffer = pooled ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
    return this.#buffer;
  }
}

/** Records that are ready but for their place in a producer session, which is known when they are first sent. */
export class SealedRecords {
  readonly #buffer: Buffer;
  readonly #crc32c: number;
  readonly count: number;

  constructor(records: Uint8Array, count: number) {
    this.#buffer = Buffer.allocUnsafeSlow(HEAD_ROOM + records.length);
    this.#buffer.set(records, HEAD_ROOM);
    this.#crc32c = crc32c(records);
    this.count = count;
  }

  /** Of the records. */
  get size(): number {
    return this.#buffer.length - HEAD_ROOM;
  }

  /**
   * The encoded RecordBatch. The head is written in front of the records in place, so what an earlier call gave changes: only a batch that
   * no live stream holds may get another head.
   */
  encode(head: BatchHead): Buffer {
    const buffer = this.#buffer;
    const headSize =
      5 +
      5 +
      1 +
      varintBytes(head.topicId) +
      varintBytes(head.queue) +
      varintBytes(head.producerId) +
      varintBytes(head.firstSequence) +
      varintBytes(this.count) +
      varintBytes(this.size);
    const start = HEAD_ROOM - headSize;
    let at = writeNumber(buffer, start, 0x08, head.topicId);
    at = writeNumber(buffer, at, 0x10, head.queue);
    at = writeNumber(buffer, at, 0x18, head.producerId);
    at = writeNumber(buffer, at, 0x20, head.firstSequence);
    at = writeNumber(buffer, at, 0x28, this.count);
    buffer[at] = 0x35;
    at = buffer.writeUInt32LE(this.#crc32c, at + 1);
    at = writeNumber(buffer, at, 0x3a, this.size);
    assert(at === HEAD_ROOM, 'the head ends where the records begin');
    return buffer.subarray(start);
  }
}

/** Upper bound of what the head adds to the records of a batch. */
export const MAX_HEAD_BYTES = HEAD_ROOM;

function writeNumber(buffer: Buffer, at: number, tag: number, value: number): number {
  buffer[at] = tag;
  return writeVarint(buffer, at + 1, value);
}

function writeVarint(buffer: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  // Beyond 32 bits by division: shifts would cut.
  while (rest >= UINT32) {
    buffer[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[at++] = rest;
  return at;
}

function writeField(buffer: Buffer, from: number, tag: number, bytes: Bytes): number {
  buffer[from] = tag;
  if (typeof bytes === 'string') {
    const at = writeVarint(buffer, from + 1, Buffer.byteLength(bytes));
    return at + buffer.write(bytes, at);
  }
  const at = writeVarint(buffer, from + 1, bytes.length);
  buffer.set(bytes, at);
  return at + bytes.length;
}

/** A record as it lies in its batch: views, not copies. */
export interface RecordView {
  /** Undefined when the producer gave none. */
  readonly key: Buffer | undefined;
  readonly value: Buffer;
  readonly timestampMs: number;
  readonly headers: readonly { readonly name: string; readonly value: Buffer }[];
}

const EMPTY: Buffer = Buffer.alloc(0);
const NO_HEADERS: RecordView['headers'] = [];

/** The records of an encoded RecordSet, in order, as views of it. Throws INTERNAL where the bytes are not a RecordSet. */
export function* readRecords(records: Buffer): Generator<RecordView, void, undefined> {
  const cursor = new Cursor(records, 0, records.length);
  while (!cursor.done) {
    const tag = cursor.number();
    if (tag === TAG_RECORD) yield readRecord(cursor.inner());
    else cursor.skip(tag);
  }
}

function readRecord(cursor: Cursor): RecordView {
  let key: Buffer | undefined;
  let value = EMPTY;
  let timestampMs = 0;
  let headers: { name: string; value: Buffer }[] | undefined;
  while (!cursor.done) {
    const tag = cursor.number();
    if (tag === TAG_KEY) key = cursor.bytes();
    else if (tag === TAG_VALUE) value = cursor.bytes();
    else if (tag === TAG_TIMESTAMP) timestampMs = cursor.number();
    else if (tag === TAG_HEADER) {
      headers ??= [];
      headers.push(readHeader(cursor.inner()));
    } else cursor.skip(tag);
  }
  return { key, value, timestampMs, headers: headers ?? NO_HEADERS };
}

function readHeader(cursor: Cursor): { name: string; value: Buffer } {
  const header: { name: string; value: Buffer } = { name: '', value: EMPTY };
  while (!cursor.done) {
    const tag = cursor.number();
    if (tag === TAG_HEADER_NAME) header.name = cursor.bytes().toString('utf8');
    else if (tag === TAG_HEADER_VALUE) header.value = cursor.bytes();
    else cursor.skip(tag);
  }
  return header;
}

class Cursor {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  constructor(buffer: Buffer, from: number, end: number) {
    this.#buffer = buffer;
    this.#at = from;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  number(): number {
    let value = 0;
    let unit = 1;
    for (let bytes = 0; bytes < 10; bytes += 1, unit *= 128) {
      const byte = this.#at < this.#end ? this.#buffer[this.#at++] : undefined;
      if (byte === undefined) break;
      value += (byte & 0x7f) * unit;
      // Ten bytes hold a negative int64 as its two's complement.
      if (byte < 0x80) return bytes === 9 ? value - 2 ** 64 : value;
    }
    throw damaged();
  }

  bytes(): Buffer {
    const from = this.#passLengthDelimited();
    return this.#buffer.subarray(from, this.#at);
  }

  inner(): Cursor {
    const from = this.#passLengthDelimited();
    return new Cursor(this.#buffer, from, this.#at);
  }

  skip(tag: number): void {
    const wire = tag & 7;
    if (wire === 0) this.number();
    else if (wire === 2) this.bytes();
    else if (wire === 1 || wire === 5) this.#at += wire === 1 ? 8 : 4;
    else throw damaged();
    if (this.#at > this.#end) throw damaged();
  }

  /** Where its bytes begin. */
  #passLengthDelimited(): number {
    const length = this.number();
    const from = this.#at;
    // A negative one would lead back, and round for ever.
    if (length < 0 || length > this.#end - from) throw damaged();
    this.#at = from + length;
    return from;
  }
}

function damaged(): LograftError {
  return new LograftError('INTERNAL', 'a stored batch does not decode: the node that sent it or the way to it is faulty');
}
