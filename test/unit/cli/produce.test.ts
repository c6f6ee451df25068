import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { keyField } from '../../../src/cli/key-field.ts';
import { progressLine } from '../../../src/cli/produce-progress.ts';
import { describeFailedProduce, summaryLine } from '../../../src/cli/produce-summary.ts';
import { type LineProducer, sendLines } from '../../../src/cli/send-lines.ts';
import { LograftError } from '../../../src/rpc/error.ts';

type Sent = { value: string; key: string | undefined; queue: number | undefined };

class FakeProducer implements LineProducer {
  readonly sent: Sent[] = [];
  /** Each `room` records, ready() asks to wait. */
  waits = 0;
  outcome: (line: number) => Promise<unknown> = () => Promise.resolve({ queue: 0, offset: 0 });
  readonly room: number;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  send(_topic: string, { value, key, queue }: { value: Buffer; key?: Buffer; queue?: number }): Promise<unknown> {
    this.sent.push({ value: value.toString(), key: key?.toString(), queue });
    return this.outcome(this.sent.length);
  }

  ready(): Promise<void> | undefined {
    if (this.sent.length === 0 || this.sent.length % this.room !== 0) return undefined;
    this.waits += 1;
    return Promise.resolve();
  }

  async flush(): Promise<void> {}
}

const never = new AbortController().signal;
const run = (producer: LineProducer, chunks: string[], target: { keyField?: number; queue?: number } = {}, signal = never) =>
  sendLines(
    Readable.from(chunks.map((chunk) => Buffer.from(chunk))),
    producer,
    { topic: 't', ...target },
    { signal, onChunk: () => {} },
  );

describe('sendLines', () => {
  it('sends one record a line, the last without a newline too', async () => {
    const producer = new FakeProducer();
    const { deliveries, stopped } = await run(producer, ['on', 'e\ntwo\n\nthr', 'ee'], { queue: 3 });
    expect(producer.sent.map(({ value }) => value)).toEqual(['one', 'two', '', 'three']);
    expect(producer.sent.every(({ queue }) => queue === 3)).toBe(true);
    expect({ sent: deliveries.sent, acknowledged: deliveries.acknowledged, stopped }).toEqual({
      sent: 4,
      acknowledged: 4,
      stopped: undefined,
    });
  });

  it('waits when the producer has no room', async () => {
    const producer = new FakeProducer(2);
    await run(producer, ['1\n2\n3\n4\n5\n']);
    expect(producer.waits).toBe(2);
    expect(producer.sent).toHaveLength(5);
  });

  it('takes the key from a field, and stops at a line without it', async () => {
    const producer = new FakeProducer();
    const { deliveries, stopped } = await run(producer, ['a\tk1\tz\nb\tk2\nc\nd\tk4\n'], { keyField: 2 });
    expect(producer.sent.map(({ key }) => key)).toEqual(['k1', 'k2']);
    expect(stopped?.message).toMatch(/line 3 has no field 2/);
    expect(deliveries.acknowledged).toBe(2);
  });

  it('stops reading at the first failure, and knows from which line on nothing is certain', async () => {
    const producer = new FakeProducer();
    producer.outcome = (line) => (line === 3 ? Promise.reject(new LograftError('TIMED_OUT', 'too late')) : Promise.resolve({}));
    const endless = Readable.from(
      (async function* () {
        for (;;) {
          yield Buffer.from('x\n');
          await new Promise((resolve) => setImmediate(resolve));
        }
      })(),
    );
    const { deliveries, stopped } = await sendLines(endless, producer, { topic: 't' }, { signal: never, onChunk: () => {} });
    expect(stopped).toBeUndefined();
    expect(deliveries.firstFailedLine).toBe(3);
    expect(deliveries.acknowledged).toBe(deliveries.sent - 1);
    expect(describeFailedProduce(deliveries)).toBe(
      `not all lines were acknowledged: ${deliveries.acknowledged} of ${deliveries.sent} sent were; from line 3 on it is unknown. Reason: too late`,
    );
  });

  it('ends when interrupted, though the source is silent', async () => {
    const interrupt = new AbortController();
    const source = new Readable({ read: () => {} });
    source.push('one\ntwo');
    setTimeout(() => interrupt.abort(), 20);
    const producer = new FakeProducer();
    const { deliveries, stopped } = await sendLines(
      source,
      producer,
      { topic: 't' },
      { signal: interrupt.signal, onChunk: () => {} },
    );
    expect(stopped).toBeUndefined();
    expect(producer.sent.map(({ value }) => value)).toEqual(['one']);
    expect(deliveries.acknowledged).toBe(1);
  });

  it('gives up on a line that no record can hold', async () => {
    const chunk = Buffer.alloc(8 * 1024 * 1024);
    const source = Readable.from([Buffer.from('one\n'), chunk, chunk, chunk, chunk, Buffer.from('x')]);
    const producer = new FakeProducer();
    const { stopped } = await sendLines(source, producer, { topic: 't' }, { signal: never, onChunk: () => {} });
    expect(stopped?.message).toMatch(/line 2 is longer than 32 MiB/);
    expect(producer.sent).toHaveLength(1);
  });

  it('tells of a source that fails', async () => {
    const source = Readable.from(
      (async function* () {
        yield Buffer.from('one\n');
        throw new Error('EIO');
      })(),
    );
    const { deliveries, stopped } = await sendLines(
      source,
      new FakeProducer(),
      { topic: 't' },
      { signal: never, onChunk: () => {} },
    );
    expect(stopped?.message).toBe('EIO');
    expect(deliveries.acknowledged).toBe(1);
  });
});

describe('what produce says', () => {
  it('leaves doubt out when nothing can have been stored', () => {
    const failure = new LograftError('UNKNOWN_TOPIC', 'no topic nosuch');
    expect(describeFailedProduce({ acknowledged: 0, sent: 9, firstFailedLine: 1, failure })).toBe(
      'no topic nosuch. Nothing was stored',
    );
  });

  it('sums up', () => {
    const summary = {
      records: 1_234_567,
      sent: 1_234_567,
      bytes: 1,
      seconds: 2.5,
      recordsPerSecond: 493_826.8,
      megabytesPerSecond: 12.34,
    };
    expect(summaryLine({ ...summary, retries: 1, reconnects: 0 })).toBe(
      '1 234 567 records in 2.50 s: 493 827 records/s, 12.3 MB/s, 1 retry',
    );
  });

  it('shows progress, with a percentage when the size is known', () => {
    const stats = { acknowledgedRecords: 5_000, acknowledgedBytes: 1, inFlightRecords: 12 };
    const rates = { recordsPerSecond: 1_000, bytesPerSecond: 2_500_000 };
    expect(progressLine({ bytesRead: 30, size: 120 }, stats, rates)).toBe(
      '5 000 records  1 000 records/s  2.5 MB/s  12 in flight  25 % read',
    );
    expect(progressLine({ bytesRead: 30, size: undefined }, stats, rates)).not.toMatch(/%/);
  });
});

describe('keyField', () => {
  it.each([
    ['a\tb\tc', 1, 'a'],
    ['a\tb\tc', 2, 'b'],
    ['a\tb\tc', 3, 'c'],
    ['a\tb\tc', 4, undefined],
    ['', 1, ''],
    ['\t', 2, ''],
  ])('of %j, field %d, is %j', (line, field, key) => {
    expect(keyField(Buffer.from(line), field)?.toString()).toBe(key);
  });
});
