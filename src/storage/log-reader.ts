import type { Entry, LogIndex } from '../raft/types.ts';
import type { Disk } from './disk.ts';
import type { EntryIndex, EntryPosition } from './entry-index.ts';
import { ReadFiles } from './read-files.ts';
import type { TermRuns } from './term-runs.ts';
import { payloadMatches } from './unit-format.ts';

/** Entries are read together when what lies between them is at most this. */
const MAX_GAP_BYTES = 64 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;

export interface PlannedEntry extends EntryPosition {
  readonly index: LogIndex;
  readonly term: Entry['term'];
}

/** Which bytes to read for which entries: fixed at once, so that a truncation during the read changes nothing. */
export type ReadPlan = readonly PlannedEntry[];

export interface ReadResult {
  readonly entries: readonly Entry[];
  /** The entry that would come next, when it is no longer what was written. */
  readonly damaged: PlannedEntry | undefined;
}

export class LogReader {
  readonly #files: ReadFiles;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(disk: Disk, directory: string) {
    this.#files = new ReadFiles(disk, directory);
  }

  /** Up to the first payload that is not what was written. */
  execute(plan: ReadPlan): Promise<ReadResult> {
    const reading = this.#execute(plan).finally(() => this.#underWay.delete(reading));
    this.#underWay.add(reading);
    return reading;
  }

  /** Segments before this one are no more. */
  forgetBefore(number: number): Promise<void> {
    return this.#files.forgetBefore(number);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#files.close();
  }

  async #execute(plan: ReadPlan): Promise<ReadResult> {
    const entries: Entry[] = [];
    for (let from = 0; from < plan.length; ) {
      const to = endOfRun(plan, from);
      const run = plan.slice(from, to) as [PlannedEntry, ...PlannedEntry[]];
      const [first] = run;
      const last = run.at(-1) as PlannedEntry;
      const bytes = await this.#files.read(first.segment, first.position, last.position + last.payloadBytes - first.position);
      for (const planned of run) {
        const entry = cut(planned, bytes, first.position);
        if (entry === undefined) return { entries, damaged: planned };
        entries.push(entry);
      }
      from = to;
    }
    return { entries, damaged: undefined };
  }
}

function cut({ index, term, kind, position, payloadBytes, crc }: PlannedEntry, bytes: Buffer, from: number): Entry | undefined {
  const payload = bytes.subarray(position - from, position - from + payloadBytes);
  return payload.length === payloadBytes && payloadMatches(payload, crc) ? { index, term, kind, payload } : undefined;
}

/** Entries from `first` to `last`, cut after `maxBytes` of payload, never empty. */
export function planRead(index: EntryIndex, terms: TermRuns, first: LogIndex, last: LogIndex, maxBytes: number): ReadPlan {
  const plan: PlannedEntry[] = [];
  let bytes = 0;
  for (let at = first; at <= last; at++) {
    const position = index.get(at);
    bytes += position.payloadBytes;
    if (bytes > maxBytes && plan.length > 0) break;
    plan.push({ ...position, index: at, term: terms.termAt(at) });
  }
  return plan;
}

function endOfRun(plan: ReadPlan, from: number): number {
  const first = plan[from] as PlannedEntry;
  let end = first.position + first.payloadBytes;
  let to = from + 1;
  for (; to < plan.length; to++) {
    const entry = plan[to] as PlannedEntry;
    // After a truncation the next entry may lie anywhere behind; never before, in one segment.
    if (entry.segment !== first.segment || entry.position - end > MAX_GAP_BYTES || entry.position < end) break;
    end = entry.position + entry.payloadBytes;
    if (end - first.position > MAX_READ_BYTES) break;
  }
  return to;
}
