/** Sends each line of a source as one record, as fast as the producer takes them. */
import type { Readable } from 'node:stream';
import { CliError } from './cli-error.ts';
import { Deliveries } from './deliveries.ts';
import { keyField } from './key-field.ts';
import { LineSplitter } from './line-splitter.ts';

/** The largest that a broker can be told to take. Beyond it, a source without newlines would only fill the memory. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;
const TOO_LONG = 'is longer than 32 MiB, more than any record may have';

/** What is needed of the client library's producer. */
export interface LineProducer {
  send(topic: string, record: { value: Buffer; key?: Buffer; queue?: number }): Promise<unknown>;
  ready(): Promise<void> | undefined;
  flush(): Promise<unknown>;
}

export interface LineTarget {
  readonly topic: string;
  /** From 1. */
  readonly keyField?: number | undefined;
  readonly queue?: number | undefined;
}

export interface SendResult {
  readonly deliveries: Deliveries;
  /** Why reading stopped before the end of the source, other than a failed delivery. */
  readonly stopped: Error | undefined;
}

/** Resolves when each line sent has its outcome. Reading stops at the first failure and when `signal` aborts. */
export async function sendLines(
  source: Readable,
  producer: LineProducer,
  target: LineTarget,
  observe: { signal: AbortSignal; onChunk: (bytes: number) => void },
): Promise<SendResult> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  observe.signal.addEventListener('abort', onAbort, { once: true });
  // A source that is silent now, such as `tail -f`, must not hide that nothing can be delivered any more.
  stop.signal.addEventListener('abort', () => source.destroy(), { once: true });
  const deliveries = new Deliveries(onAbort);
  const stopped = await readAndSend(source, producer, target, { deliveries, signal: stop.signal, onChunk: observe.onChunk });
  observe.signal.removeEventListener('abort', onAbort);
  // How each delivery ended is known to `deliveries`; flush only says it a second time.
  await producer.flush().catch(() => {});
  await deliveries.settled();
  return { deliveries, stopped };
}

interface Sending {
  readonly deliveries: Deliveries;
  readonly signal: AbortSignal;
  readonly onChunk: (bytes: number) => void;
}

async function readAndSend(
  source: Readable,
  producer: LineProducer,
  target: LineTarget,
  sending: Sending,
): Promise<Error | undefined> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      await sendAll(splitter.push(chunk), producer, target, sending);
      sending.onChunk(chunk.length);
      if (splitter.openBytes > MAX_LINE_BYTES) throw new CliError(`line ${sending.deliveries.sent + 1} ${TOO_LONG}`);
      if (sending.signal.aborted) return undefined;
    }
    const last = splitter.end();
    if (last !== undefined && !sending.signal.aborted) await sendAll([last], producer, target, sending);
    return undefined;
  } catch (error) {
    // Destroying the source makes reading it fail: that is our own doing.
    return sending.signal.aborted ? undefined : (error as Error);
  }
}

async function sendAll(lines: readonly Buffer[], producer: LineProducer, target: LineTarget, sending: Sending): Promise<void> {
  const { deliveries, signal } = sending;
  for (const line of lines) {
    const room = producer.ready();
    if (room !== undefined) await room;
    if (signal.aborted) return;
    deliveries.track(producer.send(target.topic, toRecord(line, target, deliveries.sent + 1)));
  }
}

function toRecord(line: Buffer, target: LineTarget, lineNumber: number): { value: Buffer; key?: Buffer; queue?: number } {
  const queue = target.queue === undefined ? {} : { queue: target.queue };
  if (target.keyField === undefined) return { value: line, ...queue };
  const key = keyField(line, target.keyField);
  if (key === undefined) throw new CliError(`line ${lineNumber} has no field ${target.keyField} (fields are separated by tabs)`);
  return { value: line, key, ...queue };
}
