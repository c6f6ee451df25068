/** Which of the lines sent were acknowledged, and from which on nothing is certain. */
export class Deliveries {
  #sent = 0;
  #acknowledged = 0;
  #failed = 0;
  #firstFailedLine: number | undefined;
  #failure: unknown;
  #onFailure: () => void;
  #wake: (() => void) | undefined;

  /** `onFailure`: called once, at the first. */
  constructor(onFailure: () => void) {
    this.#onFailure = onFailure;
  }

  get sent(): number {
    return this.#sent;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Counted from 1. */
  get firstFailedLine(): number | undefined {
    return this.#firstFailedLine;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Lines are tracked in order: the first is line 1. */
  track(delivery: Promise<unknown>): void {
    this.#sent += 1;
    const line = this.#sent;
    delivery.then(this.#acknowledge, (error: unknown) => this.#fail(line, error));
  }

  /** Resolves when each delivery has an outcome. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#check();
    });
  }

  readonly #acknowledge = (): void => {
    this.#acknowledged += 1;
    this.#check();
  };

  #fail(line: number, error: unknown): void {
    this.#failed += 1;
    if (this.#firstFailedLine === undefined || line < this.#firstFailedLine) {
      this.#firstFailedLine = line;
    }
    if (this.#failed === 1) {
      this.#failure = error;
      this.#onFailure();
    }
    this.#check();
  }

  #check(): void {
    if (this.#acknowledged + this.#failed === this.#sent) this.#wake?.();
  }
}
