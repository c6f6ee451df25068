/** The line that shows on a terminal how producing goes. */
import { createLogUpdate } from 'log-update';
import { grouped, isTerminal } from './terminal.ts';

export interface ProduceProgress {
  bytesRead: number;
  readonly size: number | undefined;
}

export interface ProduceStats {
  readonly acknowledgedRecords: number;
  readonly acknowledgedBytes: number;
  readonly inFlightRecords: number;
}

const EVERY_MS = 200;

/** Shows it until the function given back is called. Does nothing when stderr is not a terminal. */
export function showProgress(progress: ProduceProgress, readStats: () => ProduceStats): () => void {
  if (!isTerminal(process.stderr)) return () => {};
  const draw = createLogUpdate(process.stderr);
  let before = { records: 0, bytes: 0, at: performance.now() };
  const timer = setInterval(() => {
    const stats = readStats();
    const now = { records: stats.acknowledgedRecords, bytes: stats.acknowledgedBytes, at: performance.now() };
    const seconds = (now.at - before.at) / 1_000;
    const rates = {
      recordsPerSecond: (now.records - before.records) / seconds,
      bytesPerSecond: (now.bytes - before.bytes) / seconds,
    };
    before = now;
    draw(progressLine(progress, stats, rates));
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    draw.clear();
    draw.done();
  };
}

export function progressLine(
  progress: ProduceProgress,
  stats: ProduceStats,
  rates: { recordsPerSecond: number; bytesPerSecond: number },
): string {
  const parts = [
    `${grouped(stats.acknowledgedRecords)} records`,
    `${grouped(rates.recordsPerSecond)} records/s`,
    `${(rates.bytesPerSecond / 1e6).toFixed(1)} MB/s`,
    `${grouped(stats.inFlightRecords)} in flight`,
  ];
  // An empty file is done before it begins.
  if (progress.size) parts.push(`${Math.min(100, (progress.bytesRead / progress.size) * 100).toFixed(0)} % read`);
  return parts.join('  ');
}
