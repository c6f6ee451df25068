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
import { isBehind } from '../raft/log-position.ts';
import { type Entry, type HardState, KIND_CONFIGURATION, type LogIndex, type RestoredLog, type Term } from '../raft/types.ts';
import { isZero } from './bytes.ts';
import type { Disk } from './disk.ts';
import { EntryIndex } from './entry-index.ts';
import { damagedLog, newerFormat, type StorageError } from './errors.ts';
import { encodeHead, headPath, type LogHead } from './log-head.ts';
import type { UsedSegment } from './log-start.ts';
import type { FoundLog, SegmentFile } from './segment-files.ts';
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
  readonly restored: RestoredLog;
  readonly head: LogHead;
  readonly index: EntryIndex;
  readonly terms: TermRuns;
  /** Of the last unit. Durable, as all before it. */
  readonly sequence: number;
  /** Where the next unit goes. */
  readonly current: SegmentFile;
  readonly position: number;
  /** The segments up to the current one. */
  readonly used: readonly UsedSegment[];
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
export async function recoverLog(disk: Disk, directory: string, found: FoundLog): Promise<RecoveredLog> {
  const opened: SegmentFile[] = [];
  try {
    for (const { number, path, segmentBytes } of found.segments) {
      opened.push({ number, path, segmentBytes, file: await disk.open(path, { create: false }) });
    }
    const recovered = await new Recovery(opened, found, directory).run();
    // Written again for the same reason as the last write: a killed process may have left it in the page cache alone.
    await disk.replaceFile(headPath(directory), encodeHead(recovered.head));
    for (const path of found.dropped) await disk.remove(path);
    return recovered;
  } catch (error) {
    await Promise.allSettled(opened.map(({ file }) => file.close()));
    throw error;
  }
}

class Recovery {
  readonly #segments: readonly SegmentFile[];
  readonly #used: UsedSegment[] = [];
  readonly #head: LogHead;
  readonly #found: FoundLog;
  readonly #directory: string;
  readonly #seed: number;
  readonly #index: EntryIndex;
  readonly #terms: TermRuns;
  #configurations: Entry[] = [];
  #hardState: HardState;
  #sequence: number;
  /** Last entry of what was replayed; behind the base at first, when the log's first segment begins before it. */
  #lastIndex: number;
  /** Where the write that holds the last unit began. Before it, everything is known to be durable. */
  #lastWrite: { readonly segment: SegmentFile; readonly position: number } | undefined;

  constructor(segments: readonly SegmentFile[], found: FoundLog, directory: string) {
    const { head } = found;
    this.#segments = segments;
    this.#found = found;
    this.#directory = directory;
    this.#head = head;
    this.#seed = logSeed(head.logId);
    this.#index = new EntryIndex(head.base.index);
    // Until the unit that holds the base's entry is replayed, entries of older terms may be there, which it replaces.
    this.#terms = new TermRuns({ index: head.base.index, term: 0 as Term });
    this.#hardState = head.start.hardState;
    this.#sequence = head.start.sequence;
    this.#lastIndex = head.start.lastIndex;
  }

  async run(): Promise<RecoveredLog> {
    for (let at = 0; ; ) {
      const segment = this.#segments[at];
      if (segment === undefined) break;
      const stop = await this.#replay(segment);
      const next = await this.#nextFrom(at + 1);
      if (next !== undefined) {
        for (const { number, path, segmentBytes } of this.#segments.slice(at + 1, next))
          this.#used.push({ number, path, segmentBytes, start: this.#startAt(number, SEGMENT_HEADER_BYTES) });
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
    const { start } = this.#head;
    let position = segment.number === start.segment ? start.position : SEGMENT_HEADER_BYTES;
    const { number, path, segmentBytes } = segment;
    this.#used.push({ number, path, segmentBytes, start: this.#startAt(number, position) });
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
      if (this.#found.headIsMissing && header.format > 1) throw this.#missingHead();
      this.#take(segment, position, header, body);
      position = end;
    }
  }

  /** The header, when it is the one that history goes on with. */
  #expected(verdict: UnitVerdict): UnitHeader | undefined {
    if (verdict.type !== 'valid') return undefined;
    const { sequence, durableSequence, firstIndex, entryCount } = verdict.header;
    if (sequence !== this.#sequence + 1 || durableSequence >= sequence) return undefined;
    const next = this.#lastIndex + 1;
    return (entryCount === 0 ? firstIndex === next : firstIndex >= 1 && firstIndex <= next) ? verdict.header : undefined;
  }

  #take(segment: SegmentFile, position: number, header: UnitHeader, body: Buffer): void {
    const { firstIndex, entryCount, sequence, durableSequence } = header;
    const table = body.subarray(0, entryCount * TABLE_ROW_BYTES);
    if (entryCount > 0) this.#takeEntries(firstIndex, table, body);
    this.#index.addUnit(segment.number, position, firstIndex, table, Number.MAX_SAFE_INTEGER);
    this.#hardState = header.hardState;
    this.#sequence = sequence;
    if (durableSequence === sequence - 1) this.#lastWrite = { segment, position };
  }

  /** Those up to the base are passed over. */
  #takeEntries(firstIndex: number, table: Buffer, body: Buffer): void {
    const { base } = this.#head;
    if (firstIndex <= this.#terms.lastIndex) this.#terms.truncate(Math.max(firstIndex, base.index + 1));
    if ((this.#configurations.at(-1)?.index ?? 0) >= firstIndex)
      this.#configurations = this.#configurations.filter(({ index }) => index < firstIndex);
    let at = table.length;
    for (let row = 0; row * TABLE_ROW_BYTES < table.length; row++) {
      const { term, kind, payloadBytes } = readRow(table, row);
      const index = (firstIndex + row) as LogIndex;
      this.#lastIndex = index;
      if (index > base.index) this.#terms.append(term);
      if (index > base.index && kind === KIND_CONFIGURATION)
        this.#configurations.push({ term, index, kind, payload: Buffer.from(body.subarray(at, at + payloadBytes)) });
      at += payloadBytes;
    }
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
    const kept = `Entries ${this.#head.base.index + 1} to ${this.#terms.lastIndex} before it are whole.`;
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
    const { base, start, logId } = this.#head;
    const current = this.#segments[at] as SegmentFile;
    if (this.#lastIndex < base.index) {
      throw damagedLog(
        current.path,
        position,
        `the log ends at ${this.#lastIndex}, before its base ${base.index}`,
        'The head is whole.',
      );
    }
    this.#terms.trim(base);
    const last = this.#terms.last;
    const floor = this.#head.floor !== undefined && isBehind(last, this.#head.floor) ? this.#head.floor : undefined;
    for (const { file } of this.#segments.slice(0, at)) await file.close();
    return {
      restored: {
        hardState: this.#hardState,
        base,
        lastIndex: last.index,
        termRuns: this.#terms.runs,
        configurations: this.#configurations,
        floor,
      },
      head: { logId, start, base, floor },
      index: this.#index,
      terms: this.#terms,
      sequence: this.#sequence,
      current,
      position,
      used: this.#used,
      ready: this.#segments.slice(at + 1),
    };
  }

  #startAt(segment: number, position: number): UsedSegment['start'] {
    return { segment, position, sequence: this.#sequence, lastIndex: this.#lastIndex, hardState: this.#hardState };
  }

  #missingHead(): StorageError {
    return damagedLog(
      headPath(this.#directory),
      0,
      'the head is missing, which says where the log begins: expected it',
      'The segments were not changed.',
    );
  }
}

async function rewrite(segment: SegmentFile, from: number, to: number): Promise<void> {
  if (to > from) await segment.file.write(from, [await segment.file.read(from, to - from)]);
}
