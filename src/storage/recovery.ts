/**
 * What a log is after a crash. Units are replayed in order as long as each is whole and the one expected; where that stops, at
 * sequence s, this table decides. The first row that fits wins.
 *
 * | fact                                                                  | decision            |
 * |-----------------------------------------------------------------------|---------------------|
 * | the next segment that is not empty begins with unit s                 | go on there         |
 * | a whole header of a newer format                                      | refuse: newer       |
 * | a later unit says that s was durable                                  | refuse: rot         |
 * | a later unit that the writer cannot have put there                    | refuse: contradiction |
 * | any byte that is not zero                                             | torn tail: cut      |
 * | only zeros up to the end of the log                                   | clean end           |
 *
 * A torn tail was never acknowledged: had its fdatasync succeeded, the next unit, if there is one, would say so. The one case that
 * looks the same is rot in the very last write, which is why `close` seals it with an empty unit.
 */
import type { HardState, Term } from '../raft/types.ts';
import { isZero } from './bytes.ts';
import type { Disk } from './disk.ts';
import { EntryIndex } from './entry-index.ts';
import { damagedLog, newerFormat, type StorageError } from './errors.ts';
import type { SegmentFile, SegmentList } from './segment-files.ts';
import { logSeed, SEGMENT_FORMAT, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentReader } from './segment-reader.ts';
import { type Survey, surveyBehind } from './survey.ts';
import { TermRuns } from './term-runs.ts';
import {
  decodeUnitHeader,
  readRow,
  TABLE_ROW_BYTES,
  UNIT_HEADER_BYTES,
  type UnitHeader,
  type UnitVerdict,
  unitBytes,
  verifyBody,
} from './unit-format.ts';

export interface RecoveredLog {
  readonly index: EntryIndex;
  readonly terms: TermRuns;
  readonly hardState: HardState;
  /** Of the last unit; 0 for none. Durable, as all before it. */
  readonly sequence: number;
  /** Where the next unit goes. */
  readonly current: SegmentFile;
  readonly position: number;
  /** Empty segments after the current one. */
  readonly ready: readonly SegmentFile[];
}

type Decision = 'refuseNewerFormat' | 'refuseRot' | 'refuseContradiction' | 'cutTornTail' | 'cleanEnd';

/** All rows but the first, which `run` tries before it surveys the rest of the log. */
const DECISIONS: readonly { readonly when: (survey: Survey) => boolean; readonly decision: Decision }[] = [
  { when: (survey) => survey.newerFormat !== undefined, decision: 'refuseNewerFormat' },
  { when: (survey) => survey.attested !== undefined, decision: 'refuseRot' },
  { when: (survey) => survey.contradiction !== undefined, decision: 'refuseContradiction' },
  { when: (survey) => survey.dirty.length > 0, decision: 'cutTornTail' },
  { when: () => true, decision: 'cleanEnd' },
];

/** Where replaying stopped in a segment. */
interface Stop {
  readonly position: number;
  /** Behind the unit that is damaged in its body, whose end is known; else the same as `position`. */
  readonly surveyFrom: number;
  readonly what: string;
}

/** Reads the whole log. What it returns is durable, whatever the process before this one did. */
export async function recoverLog(disk: Disk, list: SegmentList): Promise<RecoveredLog> {
  const opened: SegmentFile[] = [];
  try {
    for (const { number, path, segmentBytes } of list.segments) {
      opened.push({ number, path, segmentBytes, file: await disk.open(path, { create: false }) });
    }
    return await new Recovery(opened, logSeed(list.logId)).run();
  } catch (error) {
    await Promise.allSettled(opened.map(({ file }) => file.close()));
    throw error;
  }
}

class Recovery {
  readonly #segments: readonly SegmentFile[];
  readonly #seed: number;
  readonly #index = new EntryIndex();
  readonly #terms = new TermRuns();
  #hardState: HardState = { term: 0 as Term, vote: undefined };
  #sequence = 0;
  /** Where the write that holds the last unit began. Before it, everything is known to be durable. */
  #lastWrite: { readonly segment: SegmentFile; readonly position: number } | undefined;

  constructor(segments: readonly SegmentFile[], seed: number) {
    this.#segments = segments;
    this.#seed = seed;
  }

  async run(): Promise<RecoveredLog> {
    for (let at = 0; ; ) {
      const segment = this.#segments[at];
      if (segment === undefined) break;
      const stop = await this.#replay(segment);
      const next = await this.#nextFrom(at + 1);
      if (next !== undefined) {
        at = next;
        continue;
      }
      const survey = await surveyBehind(this.#segments.slice(at), stop.surveyFrom, this.#sequence + 1, this.#seed);
      if (stop.surveyFrom > stop.position)
        survey.dirty.push({ segment, position: stop.position, bytes: stop.surveyFrom - stop.position });
      const decision = DECISIONS.find(({ when }) => when(survey))?.decision;
      const error = this.#refusal(decision as Decision, survey, segment, stop);
      if (error !== undefined) throw error;
      await this.#makeDurable(segment, stop.position, survey);
      return this.#result(at, stop.position);
    }
    throw damagedLog('the log', 0, 'no segment', 'Nothing is stored.');
  }

  async #replay(segment: SegmentFile): Promise<Stop> {
    const reader = new SegmentReader(segment.file, segment.segmentBytes);
    let position = SEGMENT_HEADER_BYTES;
    for (;;) {
      const head = await reader.view(position, UNIT_HEADER_BYTES);
      const verdict = decodeUnitHeader(head, 0, { segment: segment.number, position }, this.#seed);
      const header = this.#expected(verdict);
      if (header === undefined) return { position, surveyFrom: position, what: 'no whole unit' };
      const bodyPosition = position + UNIT_HEADER_BYTES;
      const tableBytes = header.entryCount * TABLE_ROW_BYTES;
      const body = await reader.view(bodyPosition, tableBytes + header.payloadBytes);
      const end = Math.min(position + unitBytes(header.entryCount, header.payloadBytes), segment.segmentBytes);
      const what = verifyBody(header, verdict.type === 'valid' ? verdict.tableCrc : 0, body);
      if (what !== undefined) return { position, surveyFrom: end, what };
      this.#take(segment, position, header, body.subarray(0, tableBytes));
      position = end;
    }
  }

  /** The header, when it is the one that history goes on with. */
  #expected(verdict: UnitVerdict): UnitHeader | undefined {
    if (verdict.type !== 'valid') return undefined;
    const { sequence, durableSequence, firstIndex, entryCount } = verdict.header;
    if (sequence !== this.#sequence + 1 || durableSequence >= sequence) return undefined;
    const next = this.#terms.lastIndex + 1;
    return (entryCount === 0 ? firstIndex === next : firstIndex >= 1 && firstIndex <= next) ? verdict.header : undefined;
  }

  #take(segment: SegmentFile, position: number, header: UnitHeader, table: Buffer): void {
    const { firstIndex, entryCount, sequence, durableSequence } = header;
    if (entryCount > 0) this.#terms.truncate(firstIndex);
    for (let row = 0; row < entryCount; row++) this.#terms.append(readRow(table, row).term);
    this.#index.addUnit(segment.number, position, firstIndex, table, Number.MAX_SAFE_INTEGER);
    this.#hardState = header.hardState;
    this.#sequence = sequence;
    if (durableSequence === sequence - 1) this.#lastWrite = { segment, position };
  }

  /**
   * Where history goes on. A segment whose first unit was torn stays empty when what comes then is too large for it, so empty ones are
   * passed over.
   */
  async #nextFrom(from: number): Promise<number | undefined> {
    const position = SEGMENT_HEADER_BYTES;
    for (let at = from; at < this.#segments.length; at += 1) {
      const { number, file } = this.#segments[at] as SegmentFile;
      const head = await file.read(position, UNIT_HEADER_BYTES);
      if (this.#expected(decodeUnitHeader(head, 0, { segment: number, position }, this.#seed)) !== undefined) return at;
      if (!isZero(head)) return undefined;
    }
    return undefined;
  }

  #refusal(decision: Decision, survey: Survey, segment: SegmentFile, stop: Stop): StorageError | undefined {
    const kept = `Entries 1 to ${this.#terms.lastIndex} before it are whole.`;
    const s = this.#sequence + 1;
    switch (decision) {
      case 'refuseNewerFormat':
        return newerFormat(segment.path, survey.newerFormat ?? 0, SEGMENT_FORMAT);
      case 'refuseRot':
        return damagedLog(
          segment.path,
          stop.position,
          `unit ${s} was durable, as ${survey.attested} says, but is ${stop.what}`,
          kept,
        );
      case 'refuseContradiction':
        return damagedLog(segment.path, stop.position, `${survey.contradiction} where unit ${s} was expected`, kept);
      default:
        return undefined;
    }
  }

  /**
   * Bytes that a killed process left may be in the page cache alone, and after a failed fdatasync the cache calls them clean: syncing is
   * not enough. So the last write, the only one not known durable, is written again. The torn tail becomes zeros, so that its
   * later units cannot fall into place behind a new one.
   */
  async #makeDurable(end: SegmentFile, position: number, survey: Survey): Promise<void> {
    const touched = new Set<SegmentFile>();
    if (this.#lastWrite !== undefined) {
      const { segment, position: from } = this.#lastWrite;
      // It may have ended an earlier segment, when what was cut began this one.
      const to = segment === end ? position : from;
      await rewrite(segment, from, to);
      touched.add(segment);
    }
    for (const { segment, position: at, bytes } of survey.dirty) {
      await segment.file.write(at, [Buffer.alloc(bytes)]);
      touched.add(segment);
    }
    for (const { file } of touched) await file.sync();
  }

  async #result(at: number, position: number): Promise<RecoveredLog> {
    for (const { file } of this.#segments.slice(0, at)) await file.close();
    return {
      index: this.#index,
      terms: this.#terms,
      hardState: this.#hardState,
      sequence: this.#sequence,
      current: this.#segments[at] as SegmentFile,
      position,
      ready: this.#segments.slice(at + 1),
    };
  }
}

async function rewrite(segment: SegmentFile, from: number, to: number): Promise<void> {
  if (to > from) await segment.file.write(from, [await segment.file.read(from, to - from)]);
}
