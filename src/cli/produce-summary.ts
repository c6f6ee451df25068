/** What produce says at its end. */
import { LograftError } from '../rpc/error.ts';
import { describeFailure } from './cli-error.ts';
import type { Deliveries } from './deliveries.ts';
import { grouped } from './terminal.ts';

export interface ProduceSummary {
  /** Acknowledged. */
  readonly records: number;
  readonly sent: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly retries: number;
  readonly reconnects: number;
  /** Set when not all were acknowledged: the first line (from 1) whose outcome is unknown. */
  readonly unknownFromLine?: number;
}

export function summaryLine(summary: ProduceSummary): string {
  const { records, seconds, recordsPerSecond, megabytesPerSecond, retries } = summary;
  const rate = `${grouped(recordsPerSecond)} records/s, ${megabytesPerSecond.toFixed(1)} MB/s`;
  return `${grouped(records)} ${records === 1 ? 'record' : 'records'} in ${seconds.toFixed(2)} s: ${rate}, ${retries} ${retries === 1 ? 'retry' : 'retries'}`;
}

export function describeFailedProduce(
  deliveries: Pick<Deliveries, 'acknowledged' | 'sent' | 'firstFailedLine' | 'failure'>,
): string {
  const { acknowledged, sent, firstFailedLine, failure } = deliveries;
  const reason = describeFailure(failure);
  // Who is fenced does not know what became of what was under way.
  const refused = failure instanceof LograftError && failure.retry === 'never' && failure.reason !== 'FENCED';
  if (acknowledged === 0 && refused) return `${reason}. Nothing was stored`;
  return `not all lines were acknowledged: ${acknowledged} of ${sent} sent were; from line ${firstFailedLine} on it is unknown. Reason: ${reason}`;
}
