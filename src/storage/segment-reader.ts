import type { DiskFile } from './disk.ts';

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Reads a segment from front to back in large pieces. */
export class SegmentReader {
  readonly #file: DiskFile;
  readonly endPosition: number;
  #window: Buffer = Buffer.alloc(0);
  #windowPosition = 0;

  constructor(file: DiskFile, endPosition: number) {
    this.#file = file;
    this.endPosition = endPosition;
  }

  /** A view of `length` bytes at `position`, fewer at the end of the segment. Valid for as long as the caller likes. */
  async view(position: number, length: number): Promise<Buffer> {
    const end = Math.min(position + length, this.endPosition);
    if (position >= end) return Buffer.alloc(0);
    if (position < this.#windowPosition || end > this.#windowPosition + this.#window.length) {
      const wanted = Math.min(Math.max(end - position, WINDOW_BYTES), this.endPosition - position);
      this.#window = await this.#file.read(position, wanted);
      this.#windowPosition = position;
    }
    return this.#window.subarray(position - this.#windowPosition, end - this.#windowPosition);
  }

  /** The window that begins at `position`: as much as one read gives. */
  window(position: number): Promise<Buffer> {
    return this.view(position, WINDOW_BYTES);
  }
}
