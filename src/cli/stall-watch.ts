/** Aborts its signal when nothing has moved for a while. Cheap enough to be told of each record. */
const LOOKS = 4;

export class StallWatch {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #moved = true;
  /** Waiting for somebody else: counts as moving. */
  #paused = false;
  #stillLooks = 0;

  /** Notices after `limitMs` at the earliest, and a quarter later at the latest. */
  constructor(limitMs: number) {
    this.#timer = setInterval(() => this.#look(), limitMs / LOOKS);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  progress(): void {
    this.#moved = true;
    this.#paused = false;
  }

  pause(): void {
    this.#paused = true;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#stillLooks = this.#moved || this.#paused ? 0 : this.#stillLooks + 1;
    this.#moved = false;
    if (this.#stillLooks >= LOOKS) this.#abort.abort();
  }
}
