import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EncodableRecord, RecordSetWriter, readRecords, recordBytes } from '../../../src/client/record-batch.ts';
import { RecordBatchCodec, RecordSetCodec } from '../../../src/rpc/protos.ts';
import { countRecords } from '../../../src/rpc/record-set.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const record = fc.record(
  {
    key: bytes,
    value: fc.oneof(bytes, bytes, fc.string({ unit: 'binary', maxLength: 100 })),
    timestampMs: fc.oneof(fc.nat(), fc.maxSafeNat()),
    headers: fc.array(fc.record({ name: fc.string({ unit: 'binary', maxLength: 40 }), value: bytes }), { maxLength: 4 }),
  },
  { requiredKeys: ['value', 'timestampMs'] },
);
const head = fc.record({
  topicId: fc.nat(0xffff_ffff),
  queue: fc.nat(1024),
  producerId: fc.maxSafeNat(),
  firstSequence: fc.maxSafeNat(),
});

const asBuffer = (value: Uint8Array | string): Buffer => (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value));

function write(records: readonly EncodableRecord[]): RecordSetWriter {
  const writer = new RecordSetWriter();
  for (const one of records) writer.append(one, recordBytes(one));
  return writer;
}

/** The same for protobufjs, which takes text in `bytes` fields for base64. */
const forCodec = (records: readonly EncodableRecord[]) => records.map((one) => ({ ...one, value: asBuffer(one.value) })) as never;

describe('an encoded batch', () => {
  it('is byte for byte what the protobuf codecs give', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), head, (records, place) => {
        const expected = RecordSetCodec.encode({ records: forCodec(records) });
        const mine = write(records).seal().encode(place);
        const whole = { ...place, count: records.length, recordsCrc32c: crc32c(expected), records: expected };
        expect(mine.equals(RecordBatchCodec.encode(whole))).toBe(true);
        expect(RecordBatchCodec.decode(mine)).toEqual(whole);
        expect(countRecords(expected)).toBe(records.length);
      }),
    );
  });

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), head, (records, place) => {
        const read = [...readRecords(RecordBatchCodec.decode(write(records).seal().encode(place)).records)];
        expect(read).toEqual(
          records.map(({ key, value, timestampMs, headers = [] }) => ({ key, value: asBuffer(value), timestampMs, headers })),
        );
      }),
    );
  });

  it('can get another head', () => {
    const sealed = write([{ value: 'a', timestampMs: 5 }]).seal();
    sealed.encode({ topicId: 1, queue: 0, producerId: 3_000_000_000_000, firstSequence: 70_000 });
    const again = RecordBatchCodec.decode(sealed.encode({ topicId: 1, queue: 2, producerId: 4, firstSequence: 0 }));
    expect(again).toMatchObject({ queue: 2, producerId: 4, firstSequence: 0, count: 1 });
    expect(again.recordsCrc32c).toBe(crc32c(again.records));
  });
});

describe('readRecords', () => {
  it('never goes back where a length is negative', () => {
    const whole = Buffer.from(`0af27f12ef7f${'61'.repeat(16_367)}`, 'hex');
    // Minus 16 384: back to where the first record begins.
    const records = readRecords(Buffer.concat([whole, Buffer.from('0a8080ffffffffffffff01', 'hex')]));
    expect(records.next().value?.value.length).toBe(16_367);
    expect(() => records.next()).toThrow('does not decode');
  });
});

describe('countRecords', () => {
  it('gives -1 for what does not decode, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (garbage) => {
        const count = countRecords(garbage);
        if (count < 0) return;
        expect(RecordSetCodec.decode(garbage).records.length).toBe(count);
        expect([...readRecords(Buffer.from(garbage))].length).toBe(count);
      }),
      { numRuns: 5_000 },
    );
  });

  it('gives -1 for a damaged set that readers could not decode', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (records, where, byte) => {
        const encoded = RecordSetCodec.encode({ records: forCodec(records) });
        encoded[where % encoded.length] = byte;
        if (countRecords(encoded) >= 0) expect([...readRecords(encoded)].length).toBe(countRecords(encoded));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['a length of ten bytes, which readers take for a negative number', '0a 0d 12 82 80 80 80 80 80 80 80 80 00 61 61'],
    ['the same of a field from a later version', '0a 0d 32 82 80 80 80 80 80 80 80 80 00 61 61'],
    ['a header, whose tag is longer than it need be, with half a field in it', '0a 0d a2 00 0a 09 00 00 00 00 00 00 00 00 12'],
    [
      'an empty key whose tag has become half of such a tag',
      '0a 33 a2 00 12 08 f0 b1 a1 ba f3 a9 ab 9e 18 e6 f4 9a fd f0 a9 e6 0c 22 1c 0a 10 f3 a5 b4 b2 f0 a6 9e 88 f2 92 ac 85 f3 aa a0 86 12 08 bf 0d b6 59 26 79 6b 29',
    ],
  ])('refuses %s', (_what, hex) => {
    const encoded = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(() => [...readRecords(encoded)]).toThrow('does not decode');
    expect(countRecords(encoded)).toBe(-1);
  });

  it('refuses a set that is cut off, and knows the empty one', () => {
    const encoded = RecordSetCodec.encode({ records: [{ value: Buffer.alloc(200), timestampMs: 1 }] });
    for (let length = 1; length < encoded.length; length += 1) expect(countRecords(encoded.subarray(0, length))).toBe(-1);
    expect(countRecords(Buffer.alloc(0))).toBe(0);
  });
});
