/**
 * Keys and values of the derived state. Numbers in keys are big-endian, so that keys sort as numbers do. The first byte names the table.
 */
import { readNumber, writeNumber } from '../storage/bytes.ts';
import type { CatalogueTopic } from './catalogue.ts';
import type { QueueExtent } from './queue-state.ts';
import type { Topic } from './topics.ts';

export const APPLIED_KEY = Buffer.from('a');
/** Payload of all entries applied. */
export const APPLIED_BYTES_KEY = Buffer.from('b');
/** Up to this entry nothing is held any longer. */
export const TRIMMED_KEY = Buffer.from('h');
/** Format of all values here. A newer one is refused. */
export const FORMAT_KEY = Buffer.from('f');
export const STATE_FORMAT = 4;
/** When parts of the log were written. */
export const TIMES_KEY = Buffer.from('e');
/** Revision of the catalogue that the group's topics come from. */
export const PLACED_KEY = Buffer.from('p');
/** Home group: revision of the catalogue, and the highest id given. */
export const CATALOGUE_KEY = Buffer.from('c');

const TABLES = {
  catalogue: 0x64,
  topic: 0x74,
  queue: 0x71,
  index: 0x69,
  session: 0x73,
  window: 0x77,
  mark: 0x6d,
  consumer: 0x67,
  consumerOffset: 0x6f,
} as const;
export type Table = keyof typeof TABLES;

/** First key of a table, and the first key after it. */
export function tableRange(table: Table): { from: Buffer; to: Buffer } {
  return { from: Buffer.from([TABLES[table]]), to: Buffer.from([TABLES[table] + 1]) };
}

export function topicKey(topicId: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = TABLES.topic;
  key.writeUInt32BE(topicId, 1);
  return key;
}

/** Name, number of queues of the whole topic, and those that the group holds. */
export function topicValue({ name, queueCount, queues }: Topic): Buffer {
  return Buffer.from(JSON.stringify({ name, queueCount, queues: [...queues.keys()] }));
}

export function catalogueKey(topicId: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = TABLES.catalogue;
  key.writeUInt32BE(topicId, 1);
  return key;
}

export function catalogueValue({ name, queueGroups }: CatalogueTopic): Buffer {
  return Buffer.from(JSON.stringify({ name, queueGroups }));
}

export function catalogueHead({ revision, lastId }: { readonly revision: number; readonly lastId: number }): Buffer {
  const value = Buffer.allocUnsafe(16);
  writeNumber(value, revision, 0);
  writeNumber(value, lastId, 8);
  return value;
}

export function queueKey(topicId: number, queue: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  writeQueue(key, TABLES.queue, topicId, queue);
  return key;
}

export function indexKey(topicId: number, queue: number, baseOffset: number): Buffer {
  const key = Buffer.allocUnsafe(17);
  writeQueue(key, TABLES.index, topicId, queue);
  writeNumber(key, baseOffset, 9);
  return key;
}

export function markKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = TABLES.mark;
  writeNumber(key, index, 1);
  return key;
}

export function sessionKey(producerId: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = TABLES.session;
  writeNumber(key, producerId, 1);
  return key;
}

export function windowKey(producerId: number, topicId: number, queue: number): Buffer {
  const key = Buffer.allocUnsafe(17);
  key[0] = TABLES.window;
  writeNumber(key, producerId, 1);
  key.writeUInt32BE(topicId, 9);
  key.writeUInt32BE(queue, 13);
  return key;
}

/** Of a consumer group: since when it is idle. */
export function consumerKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([TABLES.consumer]), Buffer.from(name)]);
}

export function readConsumerKey(key: Buffer): string {
  return key.toString('utf8', 1);
}

/** The queue comes last, behind a name of any length. */
export function consumerOffsetKey(name: string, topicId: number, queue: number): Buffer {
  const length = Buffer.byteLength(name);
  const key = Buffer.allocUnsafe(1 + length + 8);
  key[0] = TABLES.consumerOffset;
  key.write(name, 1);
  key.writeUInt32BE(topicId, 1 + length);
  key.writeUInt32BE(queue, 5 + length);
  return key;
}

export function readConsumerOffsetKey(key: Buffer): { readonly name: string; readonly topicId: number; readonly queue: number } {
  const length = key.length - 9;
  return { name: key.toString('utf8', 1, 1 + length), topicId: key.readUInt32BE(1 + length), queue: key.readUInt32BE(5 + length) };
}

function writeQueue(key: Buffer, table: number, topicId: number, queue: number): void {
  key[0] = table;
  key.writeUInt32BE(topicId, 1);
  key.writeUInt32BE(queue, 5);
}

export function queueValue({ firstOffset, nextOffset, greatestMs }: QueueExtent): Buffer {
  const value = Buffer.allocUnsafe(24);
  writeNumber(value, firstOffset, 0);
  writeNumber(value, nextOffset, 8);
  writeNumber(value, greatestMs, 16);
  return value;
}

export function readQueueValue(value: Buffer): QueueExtent {
  return { firstOffset: readNumber(value, 0), nextOffset: readNumber(value, 8), greatestMs: readNumber(value, 16) };
}

export function numberValue(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeNumber(bytes, value, 0);
  return bytes;
}
