/** Makes of a log what was decided where it ends: repairs the disk, and says what there is. */
import { assert } from '../base/assert.ts';
import { isBehind } from '../raft/log-position.ts';
import type { LogIndex, LogPosition } from '../raft/types.ts';
import type { Decision } from './decisions.ts';
import { damagedLog, newerFormat } from './errors.ts';
import { encodeHead, headPath, type LogHead } from './log-head.ts';
import type { UsedSegment } from './log-start.ts';
import type { LogEnd, LogWalk } from './log-walk.ts';
import { makeSegment } from './make-segment.ts';
import type { RecoveredLog, RecoveryOptions } from './recovered-log.ts';
import type { Stop } from './recovery-facts.ts';
import { isWritable, makeDurable, newestHead, removeSegments, segmentFile } from './recovery-repair.ts';
import { Replay } from './replay.ts';
import { SEGMENT_FORMAT, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { OpenSegment, Survey } from './survey.ts';
import { readRow } from './unit-format.ts';

export class LogEnding {
  readonly #options: RecoveryOptions;
  readonly #segments: readonly OpenSegment[];
  readonly #replay: Replay;
  readonly #notes: string[] = [];
  #used: readonly UsedSegment[];
  #head: LogHead;

  constructor(options: RecoveryOptions, segments: readonly OpenSegment[], { replay, used }: LogWalk) {
    this.#options = options;
    this.#segments = segments;
    this.#replay = replay;
    this.#used = used;
    this.#head = options.found.head;
  }

  async bringAbout({ decision, stop, survey }: LogEnd): Promise<RecoveredLog> {
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
    this.#used = [{ number, path: made.path, segmentBytes, start: this.#head.start }];
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
