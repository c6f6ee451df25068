/** One direction of a stream: what is written and not read yet, and who waits for room. */

/** What may be unread before `write` says to wait. */
const WINDOW_BYTES = 1024 * 1024;

/** The writing end. */
export class Outflow {
  #unreadBytes = 0;
  #blocked = false;
  readonly #onDrain: () => void;

  constructor(onDrain: () => void) {
    this.#onDrain = onDrain;
  }

  /** False: wait for the drain. */
  wrote(bytes: number): boolean {
    this.#unreadBytes += bytes;
    if (this.#unreadBytes < WINDOW_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  wasRead(bytes: number): void {
    this.#unreadBytes -= bytes;
    if (!this.#blocked || this.#unreadBytes >= WINDOW_BYTES / 2) return;
    this.#blocked = false;
    this.#onDrain();
  }
}

/** The reading end: takes what arrives, gives it on when it is not paused. */
export class Inflow {
  readonly #queue: { readonly bytes: Buffer | undefined }[] = [];
  readonly #onMessage: (bytes: Buffer) => void;
  readonly #onEnd: () => void;
  /** Word goes back to the writer. */
  readonly #onRead: (bytes: number) => void;
  #paused = false;
  #giving = false;

  constructor(onMessage: (bytes: Buffer) => void, onEnd: () => void, onRead: (bytes: number) => void) {
    this.#onMessage = onMessage;
    this.#onEnd = onEnd;
    this.#onRead = onRead;
  }

  arrived(bytes: Buffer): void {
    this.#queue.push({ bytes });
    this.#give();
  }

  /** Comes after all that was written. */
  ended(): void {
    this.#queue.push({ bytes: undefined });
    this.#give();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#give();
  }

  #give(): void {
    if (this.#giving) return;
    this.#giving = true;
    while (!this.#paused) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      if (next.bytes === undefined) this.#onEnd();
      else {
        this.#onRead(next.bytes.length);
        this.#onMessage(next.bytes);
      }
    }
    this.#giving = false;
  }
}
