/** Decides, while this node leads, when the group makes a checkpoint and when it drops what is older than it must keep. */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { Repeat } from '../base/repeat.ts';
import type { CommandInput } from '../rpc/generated/lograft/internal/v1/Command.ts';
import type { Group } from './group.ts';
import type { Mark } from './marks.ts';

export interface RetentionSettings {
  /** Records are kept at least this long, ms. 0: their age does not matter. */
  readonly retentionMs: number;
  /** At least so much of the newest payload is kept, bytes. 0: the size does not matter. */
  readonly retentionBytes: number;
  /** Size of a log file: cutting in smaller steps frees nothing. */
  readonly segmentBytes: number;
}

const LOOK_EVERY_MS = 1_000;
/** A checkpoint for each such part of what is kept: what is dropped is dropped by the piece. */
const PIECES = 32;
/** Without a bound on the size: a replica that must begin anew then replays at most this much more than is kept. */
const DEFAULT_CHECKPOINT_BYTES = 1024 * 1024 * 1024;

/** Below this nothing is worth a checkpoint, which has a payload too: an idle group must not go on marking its own marks. */
const MIN_NEW_BYTES = 1_024;

export class Retention {
  readonly #group: Group;
  readonly #settings: RetentionSettings;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #looks: Repeat;

  constructor(group: Group, settings: RetentionSettings, clock: Clock, log: Logger) {
    this.#group = group;
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#looks = new Repeat(clock, LOOK_EVERY_MS, () => this.#look());
  }

  close(): void {
    this.#looks.close();
  }

  async #look(): Promise<void> {
    const group = this.#group;
    const command = group.leads && group.replica.caughtUp ? this.#due() : undefined;
    if (command === undefined) return;
    try {
      await group.command(command);
    } catch (error) {
      // Leadership moved, or the disk is full: whoever leads next looks again.
      this.#log.debug({ error: String(error) }, 'retention has to wait');
    }
  }

  #due(): CommandInput | undefined {
    const wallMs = this.#clock.wallMs();
    const { state } = this.#group;
    const outdated = state.marks.all().findLast((mark) => mark.index > state.trimmedIndex && this.#isOutdated(mark, wallMs));
    if (outdated !== undefined) return { trim: { index: outdated.index } };
    return this.#checkpointIsDue(wallMs) ? { checkpoint: { wallMs } } : undefined;
  }

  #isOutdated({ wallMs, appliedBytes }: Mark, nowMs: number): boolean {
    const { retentionMs, retentionBytes } = this.#settings;
    if (retentionMs > 0 && nowMs - wallMs >= retentionMs) return true;
    return retentionBytes > 0 && this.#group.state.appliedBytes - appliedBytes >= retentionBytes;
  }

  #checkpointIsDue(nowMs: number): boolean {
    const { retentionMs, retentionBytes, segmentBytes } = this.#settings;
    const { last } = this.#group.state.marks;
    const newBytes = this.#group.state.appliedBytes - (last?.appliedBytes ?? 0);
    if (newBytes < MIN_NEW_BYTES) return false;
    const stepBytes = retentionBytes > 0 ? Math.max(segmentBytes, retentionBytes / PIECES) : DEFAULT_CHECKPOINT_BYTES;
    if (newBytes >= stepBytes) return true;
    return retentionMs > 0 && nowMs - (last?.wallMs ?? 0) >= retentionMs / PIECES;
  }
}
