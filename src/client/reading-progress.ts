/** How far a reader has come, and how much of it its consumer group has committed: at least once, never before a record was done with. */
import { Repeat } from '../base/repeat.ts';
import { LograftError } from '../rpc/error.ts';
import { commitTopicOffsets, type QueueOffsets } from './consumer-offsets.ts';
import type { LeaderCaller } from './leader-caller.ts';
import { isOffset } from './read-start.ts';
import type { KnownTopic } from './route-book.ts';

export interface ReadingProgressOptions {
  readonly consumerGroup: string;
  /** 0: by hand only. */
  readonly commitEveryMs: number;
  readonly caller: LeaderCaller;
  /** Aborts when the client closes. */
  readonly signal: AbortSignal;
}

const COMMIT_TIMEOUT_MS = 10_000;
/** What has not changed is committed again so often: offsets of a consumer group that says nothing end one day. */
const REFRESH_MS = 3_600_000;

export class ReadingProgress {
  readonly #options: ReadingProgressOptions;
  #topic: KnownTopic | undefined;
  /** Offset after the last record that was done with, or where the read begins. */
  readonly #done = new Map<number, number>();
  /** The record that the reader's user has and is not done with yet: its queue, and the offset after it. */
  #inHand: { readonly queue: number; readonly next: number } | undefined;
  readonly #committed = new Map<number, number>();
  #refreshedAtMs = 0;
  #committing: Promise<void> = Promise.resolve();
  #rounds: Repeat | undefined;

  constructor(options: ReadingProgressOptions) {
    this.#options = options;
  }

  get consumerGroup(): string {
    return this.#options.consumerGroup;
  }

  /** By queue, the offset after the last record that the user got, or where the read begins. */
  get positions(): QueueOffsets {
    const positions = new Map(this.#done);
    if (this.#inHand !== undefined) positions.set(this.#inHand.queue, this.#inHand.next);
    return positions;
  }

  /** `onFailed`: what is read cannot be committed, now or later. */
  start(topic: KnownTopic, onFailed: (error: LograftError) => void): void {
    const { commitEveryMs, caller } = this.#options;
    this.#topic = topic;
    this.#refreshedAtMs = caller.clock.nowMs();
    if (commitEveryMs > 0) this.#rounds = new Repeat(caller.clock, commitEveryMs, () => this.#commitByItself(onFailed));
  }

  /** The read of a queue begins at `offset`. */
  begin(queue: number, offset: number): void {
    this.#done.set(queue, offset);
  }

  /** The user gets a record. */
  give(queue: number, offset: number): void {
    this.#inHand = { queue, next: offset + 1 };
  }

  /** The user is done with the record that he has. */
  putDown(): void {
    if (this.#inHand === undefined) return;
    this.#done.set(this.#inHand.queue, this.#inHand.next);
    this.#inHand = undefined;
  }

  /** Resolves when these are committed. Rejects with a LograftError. */
  async commit(positions: QueueOffsets): Promise<void> {
    for (const [queue, offset] of positions) {
      if (isOffset(offset) && (this.#topic === undefined || queue in this.#topic.queueGroups)) continue;
      throw new LograftError('INVALID_REQUEST', `positions: offsets by queue, not ${offset} for queue ${queue}`);
    }
    await this.#inTurn(positions);
  }

  /** Commits what is done with. */
  commitDone(): Promise<void> {
    return this.#inTurn(this.#done);
  }

  /** The read is over. Unless all is committed by hand, what is done with is committed. */
  async end(): Promise<void> {
    this.#rounds?.close();
    if (this.#options.commitEveryMs > 0) await this.commitDone();
  }

  async #commitByItself(onFailed: (error: LograftError) => void): Promise<void> {
    try {
      await this.commitDone();
    } catch (caught) {
      const error = caught instanceof LograftError ? caught : new LograftError('INTERNAL', String(caught), { cause: caught });
      // What passes is tried again with the next round.
      if (error.retry === 'never') onFailed(error);
    }
  }

  /** One commit at a time: a later one must not be overtaken. */
  #inTurn(positions: QueueOffsets): Promise<void> {
    const mine = this.#committing.then(() => this.#commit(positions));
    this.#committing = mine.catch(() => {});
    return mine;
  }

  async #commit(positions: QueueOffsets): Promise<void> {
    const { consumerGroup, caller, signal } = this.#options;
    if (this.#topic === undefined) return;
    const nowMs = caller.clock.nowMs();
    const refresh = nowMs - this.#refreshedAtMs >= REFRESH_MS;
    const due = new Map([...positions].filter(([queue, offset]) => refresh || offset > (this.#committed.get(queue) ?? -1)));
    if (due.size === 0) return;
    await commitTopicOffsets(consumerGroup, this.#topic, due, false, caller, { timeoutMs: COMMIT_TIMEOUT_MS, signal });
    for (const [queue, offset] of due) this.#committed.set(queue, offset);
    if (refresh) this.#refreshedAtMs = nowMs;
  }
}
