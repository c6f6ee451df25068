/**
 * What a log is after a crash, and after a disk that lied. Units are replayed in order as long as each is whole and the one expected; where
 * that stops, `decisions.ts` decides.
 */
import { assert } from '../base/assert.ts';
import { isBehind } from '../raft/log-position.ts';
import type { LogIndex, LogPosition, RestoredLog } from '../raft/types.ts';
import { isZero } from './bytes.ts';
import { type Decision, decide, type Facts } from './decisions.ts';
import type { Disk } from './disk.ts';
import type { EntryIndex } from './entry-index.ts';
import { damagedLog, newerFormat } from './errors.ts';
import { encodeHead, headPath, type LogHead } from './log-head.ts';
import type { UsedSegment } from './log-start.ts';
import { makeSegment } from './make-segment.ts';
import type { LogRecovery } from './raft-log.ts';
import { factsOf, NO_FACTS, type Stop } from './recovery-facts.ts';
import { isWritable, makeDurable, newestHead, removeSegments, segmentFile } from './recovery-repair.ts';
import { Replay } from './replay.ts';
import type { FoundLog, SegmentFile } from './segment-files.ts';
import { logSeed, SEGMENT_FORMAT, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentReader } from './segment-reader.ts';
import { noteUnit, type OpenSegment, type Survey, surveyBehind } from './survey.ts';
import type { TermRuns } from './term-runs.ts';
import {
  decodeUnitHeader,
  readRow,
  TABLE_ROW_BYTES,
  UNIT_HEADER_BYTES,
  type UnitHeader,
  unitBytes,
  verifyBody,
} from './unit-format.ts';

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

/** Reads the whole log. What it returns is durable, whatever the process before this one did. */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { disk, found } = options;
  const opened: OpenSegment[] = [];
  try {
    for (const segment of found.segments) {
      const missing = segment.fault?.kind === 'missing';
      opened.push({ ...segment, file: missing ? undefined : await disk.open(segment.path, { create: false }) });
    }
    const recovered = await new Recovery(options, opened).run();
    for (const path of found.dropped) await disk.remove(path);
    return recovered;
  } catch (error) {
    await Promise.allSettled(opened.map(({ file }) => file?.close()));
    throw error;
  }
}

class Recovery {
  readonly #options: RecoveryOptions;
  readonly #segments: readonly OpenSegment[];
  readonly #used: UsedSegment[] = [];
  readonly #replay: Replay;
  readonly #seed: number;
  readonly #notes: string[] = [];
  /** Whole units somewhere call all up to here durable. */
  #attestedUpTo = 0;
  #head: LogHead;

  constructor(options: RecoveryOptions, segments: readonly OpenSegment[]) {
    this.#options = options;
    this.#segments = segments;
    this.#head = options.found.head;
    this.#seed = logSeed(this.#head.logId);
    this.#replay = new Replay(this.#head);
  }

  async run(): Promise<RecoveredLog> {
    let at = 0;
    let position = this.#head.start.position;
    for (;;) {
      const stop = await this.#replayFrom(at, position);
      const next = await this.#nextFrom(at + 1);
      const survey = next === undefined ? await this.#surveyBehind(stop) : undefined;
      const decision = decide(this.#facts(stop, next, survey));
      if (decision === 'goOn' && next !== undefined) {
        for (let passed = at + 1; passed < next; passed++) this.#use(passed, SEGMENT_HEADER_BYTES);
        at = next;
        position = SEGMENT_HEADER_BYTES;
      } else if (decision === 'keepDamaged' && stop.unit !== undefined) {
        const { header, body, rows } = stop.unit;
        this.#take(at, stop.position, header, body, rows);
        position = stop.end;
      } else {
        // What was found before a later unit is of no use for the end.
        return this.#end(decision, stop, survey ?? ((await this.#surveyBehind(stop, true)) as Survey));
      }
    }
  }

  async #replayFrom(at: number, from: number): Promise<Stop> {
    const segment = this.#segments[at] as OpenSegment;
    const { file, fault, readableBytes } = segment;
    if (file === undefined || (fault !== undefined && fault.kind !== 'short'))
      return { at, position: from, end: from, what: fault?.what ?? 'no file' };
    this.#use(at, from);
    const reader = new SegmentReader(file, readableBytes);
    for (let position = from; ; ) {
      const head = await reader.view(position, UNIT_HEADER_BYTES);
      const verdict = decodeUnitHeader(head, 0, { segment: segment.number, position }, this.#seed);
      const header = this.#replay.expected(verdict);
      if (header === undefined || verdict.type !== 'valid') return { at, position, end: position, what: 'no whole unit' };
      const { entryCount, payloadBytes } = header;
      const body = await reader.view(position + UNIT_HEADER_BYTES, entryCount * TABLE_ROW_BYTES + payloadBytes);
      const end = Math.min(position + unitBytes(entryCount, payloadBytes), segment.segmentBytes);
      const judged = verifyBody(header, verdict.tableCrc, body);
      const unit = { header, tableCrc: verdict.tableCrc, body, rows: judged.type === 'payloads' ? judged.rows : [] };
      if (judged.type !== 'whole') return { at, position, end, what: judged.what, unit };
      this.#take(at, position, header, body, []);
      position = end;
    }
  }

  #take(at: number, position: number, header: UnitHeader, body: Buffer, rows: readonly number[]): void {
    if (this.#options.found.headIsMissing && header.format > 1) {
      const path = headPath(this.#options.directory);
      throw damagedLog(path, 0, 'the head is missing, which says where the log begins: expected it', 'The segments are there.');
    }
    this.#attestedUpTo = Math.max(this.#attestedUpTo, header.durableSequence);
    this.#replay.take({ segment: (this.#segments[at] as OpenSegment).number, position }, header, body, rows);
  }

  #use(at: number, position: number): void {
    const { number, path, segmentBytes } = this.#segments[at] as OpenSegment;
    if (this.#used.at(-1)?.number === number) return;
    this.#used.push({ number, path, segmentBytes, start: this.#replay.startAt(number, position) });
  }

  /**
   * Where history goes on. A segment whose first unit was torn stays empty when what comes then is too large for it, so empty ones are
   * passed over.
   */
  async #nextFrom(from: number): Promise<number | undefined> {
    const position = SEGMENT_HEADER_BYTES;
    for (let at = from; at < this.#segments.length; at += 1) {
      const { number, file, fault } = this.#segments[at] as OpenSegment;
      if (file === undefined || (fault !== undefined && fault.kind !== 'short')) return undefined;
      const head = await file.read(position, UNIT_HEADER_BYTES);
      const verdict = decodeUnitHeader(head, 0, { segment: number, position }, this.#seed);
      if (this.#replay.expected(verdict) !== undefined) return at;
      if (!isZero(head)) return undefined;
    }
    return undefined;
  }

  /** Undefined when what is known already decides: a log with many damaged entries is not read through for each of them. */
  async #surveyBehind(stop: Stop, anyway = false): Promise<Survey | undefined> {
    const expected = this.#replay.sequence + 1;
    if (!anyway && stop.unit !== undefined && stop.unit.rows.length > 0 && expected <= this.#attestedUpTo) return undefined;
    const survey = await surveyBehind(this.#segments.slice(stop.at), stop.end, expected, this.#seed);
    const segment = this.#segments[stop.at] as OpenSegment;
    if (stop.unit !== undefined && segment.file !== undefined)
      await noteUnit(survey, segment.file, stop.position, stop.unit.header, stop.unit.tableCrc);
    this.#attestedUpTo = Math.max(this.#attestedUpTo, survey.attestedUpTo);
    if (stop.end > stop.position) survey.dirty.push({ segment, position: stop.position, bytes: stop.end - stop.position });
    return survey;
  }

  #facts(stop: Stop, next: number | undefined, survey: Survey | undefined): Facts {
    if (next !== undefined) return { ...NO_FACTS, goesOn: true };
    const attested = this.#replay.sequence + 1 <= this.#attestedUpTo;
    return factsOf({ stop, survey, attested, segments: this.#segments.slice(stop.at), baseIndex: this.#head.base.index });
  }

  async #end(decision: Decision, stop: Stop, survey: Survey): Promise<RecoveredLog> {
    const segment = this.#segments[stop.at] as OpenSegment;
    this.#refuse(decision, stop, survey);
    const lost = decision === 'cutWithFloor';
    const cutBytes = survey.dirty.reduce((sum, { bytes }) => sum + bytes, 0);
    const cutFrom = lost ? this.#firstLost(stop, survey) : undefined;
    if (lost) {
      const why = survey.attested ?? survey.contradiction ?? 'a later unit';
      const where = `in ${segment.path} at byte ${stop.position}`;
      this.#notes.push(
        `damaged log: unit ${this.#replay.sequence + 1} was durable, as ${why} says, but is ${this.#what(stop)} ${where}: cut. ${this.#kept}`,
      );
      this.#head = newestHead(this.#head, this.#replay.hardState, survey);
      await this.#replaceHead();
    }
    if (!this.#replay.containsBase || !isWritable(segment)) return this.#beginAnew(cutBytes, cutFrom, survey);
    const { position } = stop;
    const { lastWrite } = this.#replay;
    await makeDurable({ segments: this.#segments, segment, position, lastWrite, survey, removesBehind: lost });
    return this.#result(stop, cutBytes, cutFrom);
  }

  #refuse(decision: Decision, stop: Stop, { newerFormat: newer }: Survey): void {
    if (decision === 'refuseNewerFormat') throw newerFormat(newer?.path ?? 'a segment', newer?.format ?? 0, SEGMENT_FORMAT);
    if (decision !== 'refuseUnknown') return;
    const { path } = this.#segments.slice(stop.at).find(({ fault }) => fault !== undefined) as OpenSegment;
    throw damagedLog(path, 0, `${this.#what(stop)}, and nothing behind it tells what it held,`, this.#kept);
  }

  #what(stop: Stop): string {
    return this.#segments.slice(stop.at).find(({ fault }) => fault !== undefined)?.fault?.what ?? stop.what;
  }

  get #kept(): string {
    return `Entries ${this.#head.base.index + 1} to ${this.#replay.terms.lastIndex} before it are whole.`;
  }

  #firstLost(stop: Stop, survey: Survey): LogPosition {
    const index = (this.#replay.lastIndex + 1) as LogIndex;
    const row = stop.unit !== undefined && stop.unit.rows.length > 0 ? readRow(stop.unit.body, 0) : undefined;
    return { index, term: row?.term ?? survey.last?.term ?? this.#replay.hardState.term };
  }

  async #result(stop: Stop, cutBytes: number, cutFrom: LogPosition | undefined): Promise<RecoveredLog> {
    const behind = this.#segments.slice(stop.at + 1);
    // Segments have numbers without gaps: behind a faulty one, none is kept. Behind a cut, none at all.
    const faulty = cutFrom === undefined ? behind.findIndex(({ fault }) => fault !== undefined) : 0;
    const ready = faulty === -1 ? behind : behind.slice(0, faulty);
    await removeSegments(this.#options.disk, behind.slice(ready.length));
    for (const { file } of this.#segments.slice(0, stop.at)) await file?.close();
    const current = segmentFile(this.#segments[stop.at] as OpenSegment);
    return this.#recovered({ current, position: stop.position, ready: ready.map(segmentFile), cutBytes, cutFrom });
  }

  /** Nothing that could be replayed belongs to the log's base, or it cannot be written to: there is the base, and a segment of its own. */
  async #beginAnew(cutBytes: number, cutFrom: LogPosition | undefined, survey: Survey): Promise<RecoveredLog> {
    const { disk, directory, segmentBytes } = this.#options;
    const { base, logId } = this.#head;
    const number = (this.#segments.at(-1)?.number ?? 0) + 1;
    const made = await makeSegment(disk, directory, { number, segmentBytes, logId }, () => Promise.resolve(true));
    assert(made !== undefined, 'nobody stops this segment');
    this.#notes.push(`nothing was left of the log after its base ${base.index}: it begins anew there`);
    const sequence = Math.max(this.#replay.sequence, survey.sequence);
    const start = {
      ...this.#head.start,
      segment: number,
      position: SEGMENT_HEADER_BYTES,
      sequence,
      lastIndex: base.index,
      lastTerm: base.term,
    };
    this.#head = newestHead({ ...this.#head, start }, this.#replay.hardState, survey);
    await this.#replaceHead();
    await removeSegments(disk, this.#segments);
    this.#used.splice(0, this.#used.length, { number, path: made.path, segmentBytes, start: this.#head.start });
    const end = { current: made, position: SEGMENT_HEADER_BYTES, ready: [], cutBytes, cutFrom };
    return this.#recovered(end, new Replay(this.#head));
  }

  async #recovered(
    end: Pick<RecoveredLog, 'current' | 'position' | 'ready'> & { cutBytes: number; cutFrom: LogPosition | undefined },
    replay = this.#replay,
  ): Promise<RecoveredLog> {
    const { base } = this.#head;
    const { terms, index, sequence, configurations, damaged } = replay;
    terms.trim(base);
    const last = terms.last;
    const floor = this.#head.floor !== undefined && isBehind(last, this.#head.floor) ? this.#head.floor : undefined;
    const hardState = newestHead(this.#head, replay.hardState).start.hardState;
    this.#head = { ...this.#head, floor };
    // Written again for the same reason as the last write: a killed process may have left it in the page cache alone.
    await this.#replaceHead();
    const { cutBytes, cutFrom, current, position, ready } = end;
    const recovery = { cutBytes, damagedEntries: damaged.length, cutFrom, floor, notes: this.#notes };
    return {
      restored: { hardState, base, lastIndex: last.index, termRuns: terms.runs, configurations, floor },
      recovery,
      head: this.#head,
      index,
      terms,
      damaged,
      sequence,
      sealed: replay.endsWithSeal,
      current,
      position,
      used: this.#used.map((used) => ({ ...used, start: newestHead({ ...this.#head, start: used.start }, hardState).start })),
      ready,
    };
  }

  #replaceHead(): Promise<void> {
    return this.#options.disk.replaceFile(headPath(this.#options.directory), encodeHead(this.#head));
  }
}
