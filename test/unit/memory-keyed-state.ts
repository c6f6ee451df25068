import type { KeyedState } from '../../src/storage/keyed-state.ts';

/** KeyedState over a plain map; `hold` keeps writes back, as a slow disk does. */
export class MemoryKeyedState implements KeyedState {
  readonly entries = new Map<string, Buffer>();
  #held: (() => void)[] | undefined;

  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return Promise.resolve(this.entries.get(key.toString('hex')));
  }

  async write(puts: readonly (readonly [Buffer, Buffer])[], deletes: readonly Buffer[]): Promise<void> {
    const held = this.#held;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    for (const [key, value] of puts) this.entries.set(key.toString('hex'), value);
    for (const key of deletes) this.entries.delete(key.toString('hex'));
  }

  async *range(options: { from: Buffer; to: Buffer; reverse?: boolean; limit?: number }): AsyncGenerator<[Buffer, Buffer]> {
    const keys = [...this.entries.keys()]
      .filter((key) => key >= options.from.toString('hex') && key < options.to.toString('hex'))
      .sort();
    if (options.reverse) keys.reverse();
    for (const key of keys.slice(0, options.limit)) yield [Buffer.from(key, 'hex'), this.entries.get(key) as Buffer];
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
