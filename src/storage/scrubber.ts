/**
 * Reads the whole log again, slowly, for ever: rot is found while other replicas still have what it took. Reads beside the appends and
 * rests after every piece; it changes nothing.
 */
import { crc32c } from '@node-rs/crc32';
import type { Clock, Timer } from '../base/clock.ts';
import type { Disk, DiskFile } from './disk.ts';
import type { UsedSegment } from './log-start.ts';
import {
  decodeUnitHeader,
  readRow,
  TABLE_ROW_BYTES,
  tableMatches,
  UNIT_HEADER_BYTES,
  type UnitPlace,
  unitBytes,
} from './unit-format.ts';

const PIECE_BYTES = 256 * 1024;

export interface ScrubberOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  /** Before the first pass. */
  readonly firstPassAfterMs: number;
  /** Between two passes: a log that is short is not read all the time. */
  readonly pauseMs: number;
  readonly seed: number;
  /** Segments that hold units now, oldest first. */
  readonly used: () => readonly UsedSegment[];
  /** Up to here the last of them is durable. */
  readonly end: () => UnitPlace;
  /** The payload there is not what was written. It may have been dropped meanwhile. */
  readonly onDamagedPayload: (index: number, place: UnitPlace) => void;
  readonly onDamagedStructure: (what: string) => void;
  readonly onFailed: (error: unknown) => void;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  #stopped = false;
  #working: Promise<void> | undefined;
  #rest: { readonly timer: Timer; readonly resolve: () => void } | undefined;

  constructor(options: ScrubberOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.bytesPerSecond > 0) this.#working = this.#work();
  }

  /** Resolves within one piece. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rest?.timer.cancel();
    this.#rest?.resolve();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { firstPassAfterMs, pauseMs } = this.#options;
    try {
      await this.#rests(firstPassAfterMs);
      while (!this.#stopped) {
        await this.#pass();
        await this.#rests(pauseMs);
      }
    } catch (error) {
      if (!this.#stopped) this.#options.onFailed(error);
    }
  }

  async #pass(): Promise<void> {
    let number = 0;
    while (!this.#stopped) {
      // Looked up anew each time: meanwhile segments were begun, and others removed.
      const segment = this.#options.used().find((used) => used.number > number);
      if (segment === undefined) return;
      number = segment.number;
      const file = await this.#open(segment);
      if (file === undefined) continue;
      try {
        await this.#segment(segment, file);
      } finally {
        await file.close();
      }
    }
  }

  async #open({ number, path }: UsedSegment): Promise<DiskFile | undefined> {
    try {
      return await this.#options.disk.open(path, { create: false });
    } catch (error) {
      if (!this.#exists(number)) return undefined;
      throw error;
    }
  }

  async #segment(segment: UsedSegment, file: DiskFile): Promise<void> {
    let { position } = segment.start;
    let sequence = segment.start.sequence;
    while (!this.#stopped && this.#exists(segment.number)) {
      const end = this.#options.end();
      if (end.segment === segment.number && position >= end.position) return;
      const head = await this.#read(file, position, UNIT_HEADER_BYTES);
      const verdict = decodeUnitHeader(head, 0, { segment: segment.number, position }, this.#options.seed);
      if (verdict.type !== 'valid' || verdict.header.sequence !== sequence + 1) {
        if (await this.#isEnd(segment, sequence)) return;
        return this.#structure(segment, position, 'no whole unit');
      }
      const { header, tableCrc } = verdict;
      const table = await this.#read(file, position + UNIT_HEADER_BYTES, header.entryCount * TABLE_ROW_BYTES);
      if (!tableMatches(table, header, tableCrc)) return this.#structure(segment, position, 'a damaged entry table');
      await this.#payloads(segment, file, position + UNIT_HEADER_BYTES + table.length, header.firstIndex, table);
      sequence = header.sequence;
      position += unitBytes(header.entryCount, header.payloadBytes);
    }
  }

  async #payloads({ number }: UsedSegment, file: DiskFile, from: number, firstIndex: number, table: Buffer): Promise<void> {
    let at = from;
    for (let row = 0; row * TABLE_ROW_BYTES < table.length && !this.#stopped; row++) {
      const { payloadBytes, crc } = readRow(table, row);
      let found = 0;
      for (let done = 0; done < payloadBytes && !this.#stopped; done += PIECE_BYTES)
        found = crc32c(await this.#read(file, at + done, Math.min(PIECE_BYTES, payloadBytes - done)), found);
      if (found !== crc && !this.#stopped) this.#options.onDamagedPayload(firstIndex + row, { segment: number, position: at });
      at += payloadBytes;
    }
  }

  /** Where the units of a segment end, the next segment goes on with the next number. */
  async #isEnd({ number }: UsedSegment, sequence: number): Promise<boolean> {
    const next = this.#options.used().find((used) => used.number > number);
    return next !== undefined && next.start.sequence === sequence;
  }

  #structure({ path, number }: UsedSegment, position: number, what: string): void {
    if (this.#exists(number)) this.#options.onDamagedStructure(`${what} in ${path} at byte ${position}`);
  }

  #exists(number: number): boolean {
    return this.#options.used().some((used) => used.number === number);
  }

  async #read(file: DiskFile, position: number, length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const bytes = await file.read(position, length);
    await this.#rests((1_000 * length) / this.#options.bytesPerSecond);
    return bytes;
  }

  #rests(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#rest = undefined;
        resolve();
      };
      this.#rest = { timer: this.#options.clock.after(ms, done), resolve: done };
    });
  }
}
