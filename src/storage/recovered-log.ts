/** What recovery is asked for, and what it gives: all that an open log begins with. */
import type { RestoredLog } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import type { EntryIndex } from './entry-index.ts';
import type { LogHead } from './log-head.ts';
import type { UsedSegment } from './log-start.ts';
import type { LogRecovery } from './raft-log.ts';
import type { FoundLog, SegmentFile } from './segment-files.ts';
import type { TermRuns } from './term-runs.ts';

export interface RecoveredLog {
  readonly restored: RestoredLog;
  readonly recovery: LogRecovery;
  readonly head: LogHead;
  readonly index: EntryIndex;
  readonly terms: TermRuns;
  readonly damaged: readonly number[];
  /** Of the last unit. Durable, as all before it. */
  readonly sequence: number;
  /** Whether a later unit says that the last write was durable. */
  readonly sealed: boolean;
  /** Where the next unit goes. */
  readonly current: SegmentFile;
  readonly position: number;
  /** The segments up to the current one. */
  readonly used: readonly UsedSegment[];
  /** Empty segments after the current one. */
  readonly ready: readonly SegmentFile[];
}

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly found: FoundLog;
  /** Of a segment that is made when nothing of the log can be written to any more. */
  readonly segmentBytes: number;
}
