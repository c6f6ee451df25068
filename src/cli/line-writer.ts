/** Writes lines in large pieces: many short records must not mean as many system calls. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

const PIECE_BYTES = 256 * 1024;
const NEWLINE = Buffer.from('\n');

export class LineWriter {
  readonly #output: Writable;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(output: Writable) {
    this.#output = output;
  }

  /** Adds a line. When a promise comes back, the output is full: wait for it before adding more. */
  write(value: Buffer): Promise<void> | undefined {
    this.#pieces.push(value, NEWLINE);
    this.#bytes += value.length + 1;
    if (this.#bytes >= PIECE_BYTES) return this.#flush();
    // What has come is shown once nothing more is at hand, so that a follower is never behind.
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        void this.#flush();
      });
    }
    return undefined;
  }

  /** Resolves when all that was added before has left the process. */
  async written(): Promise<void> {
    await this.#flush();
    // An empty write is called back after all before it.
    await new Promise<void>((resolve) => this.#output.write('', () => resolve()));
  }

  #flush(): Promise<void> | undefined {
    if (this.#bytes === 0) return undefined;
    const piece = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    if (this.#output.write(piece)) return undefined;
    return once(this.#output, 'drain').then(() => {});
  }
}
