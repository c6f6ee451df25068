/** Entries whose payloads the disk no longer has, while their table row still says what they were. Few, or the disk is gone. */
export class DamagedEntries {
  /** Ascending. */
  #indexes: number[];

  constructor(indexes: Iterable<number> = []) {
    this.#indexes = [...new Set(indexes)].sort((a, b) => a - b);
  }

  get indexes(): readonly number[] {
    return this.#indexes;
  }

  has(index: number): boolean {
    return this.#indexes.includes(index);
  }

  add(index: number): void {
    if (!this.has(index)) this.#indexes = [...this.#indexes, index].sort((a, b) => a - b);
  }

  remove(index: number): void {
    this.#indexes = this.#indexes.filter((other) => other !== index);
  }

  truncate(firstIndex: number): void {
    if (this.#indexes.length > 0) this.#indexes = this.#indexes.filter((index) => index < firstIndex);
  }

  trim(baseIndex: number): void {
    if (this.#indexes.length > 0) this.#indexes = this.#indexes.filter((index) => index > baseIndex);
  }

  clear(): void {
    this.#indexes = [];
  }

  /** The first of a range. */
  firstIn(first: number, last: number): number | undefined {
    return this.#indexes.find((index) => index >= first && index <= last);
  }
}
