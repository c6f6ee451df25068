/** A part of a keyed state as one of its own: every key behind a prefix. Parts are synced together, and closed by whoever holds the whole. */
import type { KeyedState, KeyRange } from './keyed-state.ts';

export class KeyedView implements KeyedState {
  readonly #whole: KeyedState;
  readonly #prefix: Buffer;
  readonly #end: Buffer;

  /** `name` holds no zero byte. */
  constructor(whole: KeyedState, name: string) {
    this.#whole = whole;
    this.#prefix = Buffer.from(`${name}\x00`);
    this.#end = Buffer.from(`${name}\x01`);
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.#whole.get(this.#within(key));
  }

  write(puts: readonly (readonly [Buffer, Buffer])[], deletes: readonly Buffer[]): Promise<void> {
    const within = puts.map(([key, value]) => [this.#within(key), value] as const);
    return this.#whole.write(
      within,
      deletes.map((key) => this.#within(key)),
    );
  }

  async *range({ from, to, reverse, limit }: KeyRange): AsyncGenerator<[Buffer, Buffer], void, undefined> {
    const range = {
      from: from === undefined ? this.#prefix : this.#within(from),
      to: to === undefined ? this.#end : this.#within(to),
      reverse,
      limit,
    };
    for await (const [key, value] of this.#whole.range(range)) yield [key.subarray(this.#prefix.length), value];
  }

  sync(): Promise<void> {
    return this.#whole.sync();
  }

  async close(): Promise<void> {}

  #within(key: Buffer): Buffer {
    return Buffer.concat([this.#prefix, key]);
  }
}
