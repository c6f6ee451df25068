/** Replays a log from its beginning for as long as each unit is whole and the one expected, and looks at what lies behind. */
import { isZero } from './bytes.ts';
import { type Decision, decide, type Facts } from './decisions.ts';
import { damagedLog } from './errors.ts';
import { headPath } from './log-head.ts';
import type { UsedSegment } from './log-start.ts';
import { factsOf, NO_FACTS, type Stop } from './recovery-facts.ts';
import { Replay } from './replay.ts';
import type { FoundLog } from './segment-files.ts';
import { logSeed, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SegmentReader } from './segment-reader.ts';
import { noteUnit, type OpenSegment, type Survey, surveyBehind } from './survey.ts';
import { decodeUnitHeader, TABLE_ROW_BYTES, UNIT_HEADER_BYTES, type UnitHeader, unitBytes, verifyBody } from './unit-format.ts';

/** Where a log ends, and why. */
export interface LogEnd {
  readonly decision: Decision;
  readonly stop: Stop;
  readonly survey: Survey;
}

export class LogWalk {
  readonly replay: Replay;
  readonly #directory: string;
  readonly #found: FoundLog;
  readonly #segments: readonly OpenSegment[];
  readonly #seed: number;
  readonly #used: UsedSegment[] = [];
  /** Whole units somewhere call all up to here durable. */
  #attestedUpTo = 0;

  constructor(directory: string, found: FoundLog, segments: readonly OpenSegment[]) {
    this.#directory = directory;
    this.#found = found;
    this.#segments = segments;
    this.#seed = logSeed(found.head.logId);
    this.replay = new Replay(found.head);
  }

  /** Those that were gone through, oldest first. */
  get used(): readonly UsedSegment[] {
    return this.#used;
  }

  async toEnd(): Promise<LogEnd> {
    let at = 0;
    let position = this.#found.head.start.position;
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
        return { decision, stop, survey: survey ?? ((await this.#surveyBehind(stop, true)) as Survey) };
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
      const header = this.replay.expected(verdict);
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
    if (this.#found.headIsMissing && header.format > 1) {
      const path = headPath(this.#directory);
      throw damagedLog(path, 0, 'the head is missing, which says where the log begins: expected it', 'The segments are there.');
    }
    this.#attestedUpTo = Math.max(this.#attestedUpTo, header.durableSequence);
    this.replay.take({ segment: (this.#segments[at] as OpenSegment).number, position }, header, body, rows);
  }

  #use(at: number, position: number): void {
    const { number, path, segmentBytes } = this.#segments[at] as OpenSegment;
    if (this.#used.at(-1)?.number === number) return;
    this.#used.push({ number, path, segmentBytes, start: this.replay.startAt(number, position) });
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
      if (this.replay.expected(verdict) !== undefined) return at;
      if (!isZero(head)) return undefined;
    }
    return undefined;
  }

  /** Undefined when what is known already decides: a log with many damaged entries is not read through for each of them. */
  async #surveyBehind(stop: Stop, anyway = false): Promise<Survey | undefined> {
    const expected = this.replay.sequence + 1;
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
    const attested = this.replay.sequence + 1 <= this.#attestedUpTo;
    return factsOf({ stop, survey, attested, segments: this.#segments.slice(stop.at), baseIndex: this.#found.head.base.index });
  }
}
