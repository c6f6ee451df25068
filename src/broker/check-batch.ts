/** What a batch must be before it may enter the log. */
import { crc32c } from '@node-rs/crc32';
import { LograftError } from '../rpc/error.ts';
import type { RecordBatch } from '../rpc/generated/lograft/v1/RecordBatch.ts';
import { RecordBatchCodec } from '../rpc/protos.ts';
import { countRecords } from '../rpc/record-set.ts';

/** What the batch says of itself. Throws BATCH_TOO_LARGE or MALFORMED_BATCH, saying what is wrong. */
export function checkBatch(bytes: Buffer, maxBatchBytes: number): RecordBatch {
  if (bytes.length > maxBatchBytes) {
    throw new LograftError(
      'BATCH_TOO_LARGE',
      `the batch has ${bytes.length} bytes, this broker takes up to ${maxBatchBytes} (maxBatchBytes): send smaller batches or raise the limit`,
    );
  }
  const batch = decode(bytes);
  if (batch.count < 1) throw malformed('it holds no records');
  const actual = crc32c(batch.records);
  if (actual !== batch.recordsCrc32c) {
    throw malformed(
      `its checksum is ${hex(batch.recordsCrc32c)}, its records have ${hex(actual)}: it was damaged on the way or wrongly encoded`,
    );
  }
  const count = countRecords(batch.records);
  if (count !== batch.count) {
    throw malformed(count < 0 ? 'its records do not decode' : `it says ${batch.count} records and holds ${count}`);
  }
  return batch;
}

function decode(bytes: Buffer): RecordBatch {
  try {
    return RecordBatchCodec.decode(bytes);
  } catch (error) {
    throw malformed(`it does not decode (${String(error)})`);
  }
}

function malformed(why: string): LograftError {
  return new LograftError('MALFORMED_BATCH', `malformed batch, not written: ${why}`);
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}
