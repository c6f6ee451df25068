import { Level } from 'level';
import { StorageError, toStorageError } from './errors.ts';
import type { KeyedState, KeyRange } from './keyed-state.ts';

const ENCODINGS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
/** Never stored; deleting it is the cheapest synced write. The empty batch would be skipped. */
const NO_KEY = Buffer.from([0]);

/**
 * The derived state in a LevelDB database. Holding it open also keeps every other process out of the data directory: open it before
 * the log. Rejects with `LOCKED` when another process does.
 */
export async function openLevelState(directory: string): Promise<KeyedState> {
  const level = new Level<Buffer, Buffer>(directory, ENCODINGS);
  try {
    await level.open();
  } catch (error) {
    const cause = (error as { cause?: { code?: unknown } }).cause;
    if (cause?.code === 'LEVEL_LOCKED') {
      const advice = 'Nothing was changed. Stop the other one first, or give this one its own directory.';
      throw new StorageError('LOCKED', `data directory ${directory} is in use by another process. ${advice}`, { cause: error });
    }
    throw toStorageError(cause ?? error, `opening ${directory}`);
  }
  return new LevelState(level);
}

class LevelState implements KeyedState {
  readonly #level: Level<Buffer, Buffer>;

  constructor(level: Level<Buffer, Buffer>) {
    this.#level = level;
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.#level.get(key);
  }

  async write(puts: readonly (readonly [Buffer, Buffer])[], deletes: readonly Buffer[]): Promise<void> {
    const operations = [
      ...puts.map(([key, value]) => ({ type: 'put' as const, key, value })),
      ...deletes.map((key) => ({ type: 'del' as const, key })),
    ];
    await this.#level.batch(operations);
  }

  range({ from, to, reverse, limit }: KeyRange): AsyncIterable<[Buffer, Buffer]> {
    return this.#level.iterator({
      ...(from === undefined ? {} : { gte: from }),
      ...(to === undefined ? {} : { lt: to }),
      reverse: reverse ?? false,
      limit: limit ?? -1,
    });
  }

  async sync(): Promise<void> {
    await this.#level.del(NO_KEY, { sync: true });
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}
