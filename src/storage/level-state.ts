import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClassicLevel } from 'classic-level';
import { Level } from 'level';
import { StorageError, toStorageError } from './errors.ts';
import type { KeyedState, KeyRange } from './keyed-state.ts';

/** What `level` is on Node, with what its own types leave out. */
type Database = ClassicLevel<Buffer, Buffer>;

const ENCODINGS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
/** Below every key of a user: which run of the machine wrote here last. Absent after a close in good order. */
const WRITER_KEY = Buffer.from([0]);

/**
 * The derived state in a LevelDB database. Holding it open also keeps every other process out of the data directory: open it before
 * the log. Rejects with `LOCKED` when another process does.
 *
 * LevelDB does not sync a log file of its own when it begins the next one: a power cut can take older batches and leave newer ones. Of a
 * database that a former run of the machine left open nothing is believed: it is emptied, and made again from the log. When only the
 * process died, the kernel has every write, and all is kept.
 */
export async function openLevelState(directory: string, machineRun: string = currentMachineRun()): Promise<KeyedState> {
  const level = new Level<Buffer, Buffer>(directory, ENCODINGS) as unknown as Database;
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
  const writer = await level.get(WRITER_KEY);
  if (writer !== undefined && writer.toString() !== machineRun) await level.clear();
  const state = new LevelState(level);
  await state.write([[WRITER_KEY, Buffer.from(machineRun)]], []);
  await state.sync();
  return state;
}

/** Differs after each start of the machine. Where the system does not tell, every start of the process counts as one: slower, never wrong. */
function currentMachineRun(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return randomUUID();
  }
}

class LevelState implements KeyedState {
  readonly #level: Database;

  constructor(level: Database) {
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

  /** Compacting, be it of one key, first writes what is in memory to a table file and syncs that: then no older log file matters. */
  async sync(): Promise<void> {
    await this.#level.compactRange(WRITER_KEY, WRITER_KEY);
  }

  async close(): Promise<void> {
    await this.sync();
    await this.#level.del(WRITER_KEY);
    await this.sync();
    await this.#level.close();
  }
}
