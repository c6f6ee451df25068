/** The state of a group as bytes, and back: proto/lograft/internal/v1/snapshot.proto. */
import { assert } from '../base/assert.ts';
import type { SnapshotRecord, SnapshotRecordInput } from '../rpc/generated/lograft/internal/v1/SnapshotRecord.ts';
import { SnapshotRecordCodec } from '../rpc/protos.ts';
import { Catalogue, type CatalogueTopic } from './catalogue.ts';
import type { ConsumerImage } from './consumer-offsets.ts';
import type { LogTime } from './log-times.ts';
import type { Mark } from './marks.ts';
import type { ProducerSession, ProducerWindow, StoredSession } from './producer-sessions.ts';

export interface ProducerImage extends StoredSession {
  readonly windows: readonly ProducerWindow[];
}

/** What a snapshot holds. Where every queue begins and ends is one number in it: before the checkpoint there is nothing left. */
export interface GroupImage {
  readonly index: number;
  readonly appliedBytes: number;
  readonly trimmed: number;
  readonly placedRevision: number;
  readonly marks: readonly Mark[];
  readonly topics: readonly {
    readonly id: number;
    readonly name: string;
    readonly queueCount: number;
    readonly queues: readonly number[];
    readonly nextOffsets: readonly number[];
    readonly greatestMs: readonly number[];
  }[];
  /** In order of last activity. */
  readonly producers: readonly ProducerImage[];
  readonly times: readonly LogTime[];
  /** By name. */
  readonly consumers: readonly ConsumerImage[];
  readonly catalogue: Catalogue;
}

const LENGTH_BYTES = 4;
/** Far above what the limits of a group allow for one record. */
const MAX_RECORD_BYTES = 256 * 1024 * 1024;

export function encodeSnapshot(image: GroupImage): Buffer[] {
  const parts: Buffer[] = [];
  const add = (record: SnapshotRecordInput): void => {
    const bytes = SnapshotRecordCodec.encode(record);
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  };
  const { index, appliedBytes, trimmed, placedRevision, catalogue } = image;
  add({ group: { index, appliedBytes, trimmed, placedRevision, times: [...image.times] } });
  for (const mark of image.marks) add({ mark: { ...mark, queues: [...mark.queues] } });
  for (const { id, name, queueCount, queues, nextOffsets, greatestMs } of image.topics)
    add({ topic: { id, name, queueCount, queues: [...queues], nextOffsets: [...nextOffsets], greatestMs: [...greatestMs] } });
  for (const { windows, ...producer } of image.producers) {
    add({ producer });
    for (const window of windows) add({ window });
  }
  for (const { name, idleSinceMs, offsets } of image.consumers) add({ consumer: { name, idleSinceMs, offsets: [...offsets] } });
  if (catalogue.revision > 0) add({ catalogue: { revision: catalogue.revision, lastTopicId: catalogue.lastId } });
  for (const { id, name, queueGroups } of catalogue.topics.values())
    add({ catalogueTopic: { id, name, queueGroups: [...queueGroups] } });
  return parts;
}

/** Reads what `encodeSnapshot` made. Throws when it is not that: checksums are the business of whoever stored it. */
export async function decodeSnapshot(parts: AsyncIterable<Buffer>): Promise<GroupImage> {
  let head: Pick<GroupImage, 'index' | 'appliedBytes' | 'trimmed' | 'placedRevision' | 'times'> | undefined;
  let catalogue = { revision: 0, lastTopicId: 0 };
  const catalogued: CatalogueTopic[] = [];
  const marks: Mark[] = [];
  const topics: GroupImage['topics'][number][] = [];
  const producers: (StoredSession & { readonly windows: ProducerWindow[] })[] = [];
  const consumers: ConsumerImage[] = [];
  for await (const record of records(parts)) {
    const one = record as Required<SnapshotRecord>;
    if (record.record === 'group') head = one.group as NonNullable<typeof one.group>;
    else if (record.record === 'mark') marks.push(one.mark as NonNullable<typeof one.mark>);
    else if (record.record === 'topic') topics.push(one.topic as NonNullable<typeof one.topic>);
    else if (record.record === 'producer') producers.push({ ...(one.producer as NonNullable<typeof one.producer>), windows: [] });
    else if (record.record === 'window') producers.at(-1)?.windows.push({ ...(one.window as NonNullable<typeof one.window>) });
    else if (record.record === 'consumer') consumers.push(one.consumer as NonNullable<typeof one.consumer>);
    else if (record.record === 'catalogue') catalogue = one.catalogue as NonNullable<typeof one.catalogue>;
    else if (record.record === 'catalogueTopic') catalogued.push(one.catalogueTopic as NonNullable<typeof one.catalogueTopic>);
    else throw new Error('the snapshot holds a record that this version does not know: start the newer version');
  }
  if (head === undefined) throw new Error('the snapshot is empty');
  const { revision, lastTopicId } = catalogue;
  return { ...head, marks, topics, producers, consumers, catalogue: new Catalogue(revision, lastTopicId, catalogued) };
}

/** Windows by topic and queue: in memory they lie as they came, which a restart forgets. */
export function sessionImage({ producerId, name, epoch, lastIndex, windows }: ProducerSession): ProducerImage {
  const sorted = [...windows.values()].sort((one, other) => one.topicId - other.topicId || one.queue - other.queue);
  return { producerId, name, epoch, lastIndex, windows: sorted };
}

async function* records(parts: AsyncIterable<Buffer>): AsyncGenerator<SnapshotRecord, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of parts) {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part]);
    let at = 0;
    while (rest.length - at >= LENGTH_BYTES) {
      const length = rest.readUInt32BE(at);
      if (length > MAX_RECORD_BYTES) throw new Error(`a record of ${length} bytes in a snapshot`);
      if (rest.length - at - LENGTH_BYTES < length) break;
      yield SnapshotRecordCodec.decode(rest.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
      at += LENGTH_BYTES + length;
    }
    rest = rest.subarray(at);
  }
  assert(rest.length === 0, 'a snapshot ends with a whole record');
}
