/** Commits for a consumer group what has been written out, now and then and at the end: what a killed process had not written comes again. */
import type { LograftError, Reader } from '../client/index.ts';
import type { LineWriter } from './line-writer.ts';

const EVERY_MS = 5_000;

export class CommitRounds {
  readonly #writer: LineWriter;
  readonly #failed = new AbortController();
  #reader: Reader | undefined;
  #timer: NodeJS.Timeout | undefined;
  #committing: Promise<void> | undefined;

  constructor(writer: LineWriter) {
    this.#writer = writer;
  }

  /** Aborts with what says that the group can commit nothing, now or later. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  start(reader: Reader): void {
    this.#reader = reader;
    this.#timer = setInterval(() => {
      this.#committing ??= this.#round().finally(() => {
        this.#committing = undefined;
      });
    }, EVERY_MS);
  }

  /** Everything is written. Gives what kept it from being committed. */
  async end(): Promise<unknown> {
    clearInterval(this.#timer);
    await this.#committing;
    return this.#reader?.commit().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  async #round(): Promise<void> {
    const positions = this.#reader?.positions;
    await this.#writer.written();
    try {
      await this.#reader?.commit(positions);
    } catch (error) {
      // What passes is tried again with the next round.
      if ((error as LograftError).retry === 'never') this.#failed.abort(error);
    }
  }
}
