/** Cuts bytes into lines at "\n" exactly: no decoding, "\r" stays, and a last line without "\n" is a line too. */
const NEWLINE = 0x0a;

export class LineSplitter {
  /** The start of a line whose end has not come yet, in the pieces it came in: joined once, however long it gets. */
  #open: Buffer[] = [];
  #openBytes = 0;

  /** The lines that end in `chunk`, without their "\n". They are views of `chunk` where possible: it must not change. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.#close(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#open.push(chunk.subarray(start));
      this.#openBytes += chunk.length - start;
    }
    return lines;
  }

  /** How much of a line without end is held. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** The last line, if it had no "\n". */
  end(): Buffer | undefined {
    return this.#open.length === 0 ? undefined : this.#close(Buffer.alloc(0));
  }

  #close(tail: Buffer): Buffer {
    if (this.#open.length === 0) return tail;
    const line = Buffer.concat([...this.#open, tail]);
    this.#open = [];
    this.#openBytes = 0;
    return line;
  }
}
