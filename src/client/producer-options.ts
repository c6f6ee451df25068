/** What a producer can be told, and the limits. */
import { LograftError } from '../rpc/error.ts';

export interface ProducerOptions {
  /**
   * Who the producer is, over restarts of its process; 1 to 127 characters. From the moment that a producer of this name first sends, earlier ones
   * of the same name can store nothing more: they reject everything with FENCED, and are closed. Default: none, nobody is fenced.
   */
  readonly name?: string;
  /**
   * How long a record waits for others to share its batch while earlier batches of its queue are under way, milliseconds. A record of an
   * idle queue leaves at the end of the present turn of the event loop, whatever this is. Default 2. 0: batches form only while the queue
   * has `maxInFlightBatches` under way, and within one turn.
   */
  readonly lingerMs?: number;
  /** Records of a batch, encoded, bytes: a batch leaves when the next record would make it larger. Default 65 536. At most 4 MiB. */
  readonly batchBytes?: number;
  /** Batches of one queue sent and not yet answered. Default 16, at most 32: a node remembers that many for recognising repetitions. */
  readonly maxInFlightBatches?: number;
  /**
   * What may wait for its acknowledgement, bytes, before `ready()` asks to wait. Default 32 MiB. Each record counts 64 bytes more than its
   * encoded size. At twice this, `send` is refused with OVERLOADED.
   */
  readonly bufferBytes?: number;
  /** After so long without an acknowledgement, `send` rejects, milliseconds. Default 30 000. */
  readonly deliveryTimeoutMs?: number;
  /** Aborting it ends the producer at once: what is not acknowledged rejects with CANCELLED. */
  readonly signal?: AbortSignal;
}

export interface ProducerLimits {
  readonly name: string | undefined;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly maxInFlightBatches: number;
  readonly bufferBytes: number;
  readonly deliveryTimeoutMs: number;
}

/** Largest encoded batch a broker takes by default (its setting `maxBatchBytes`). */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const MAX_NAME = 127;

/** Throws INVALID_REQUEST for what is out of its limits. */
export function producerLimits(options: ProducerOptions): ProducerLimits {
  return {
    name: checkName(options.name),
    lingerMs: within('lingerMs', options.lingerMs ?? 2, 0, 60_000),
    batchBytes: within('batchBytes', options.batchBytes ?? 64 * 1024, 1, MAX_BATCH_BYTES),
    maxInFlightBatches: within('maxInFlightBatches', options.maxInFlightBatches ?? 16, 1, 32),
    bufferBytes: within('bufferBytes', options.bufferBytes ?? 32 * 1024 * 1024, 1, 2 ** 40),
    deliveryTimeoutMs: within('deliveryTimeoutMs', options.deliveryTimeoutMs ?? 30_000, 1, 2 ** 31 - 1),
  };
}

function checkName(name: string | undefined): string | undefined {
  if (name === undefined || (name.length >= 1 && name.length <= MAX_NAME)) return name;
  throw new LograftError('INVALID_REQUEST', `name: 1 to ${MAX_NAME} characters, not ${name.length}`);
}

function within(name: string, value: number, minimum: number, maximum: number): number {
  if (Number.isFinite(value) && value >= minimum && value <= maximum) return value;
  throw new LograftError('INVALID_REQUEST', `${name}: ${minimum} to ${maximum}, not ${value}`);
}
