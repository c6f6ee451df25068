import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Disk, DiskFile } from './disk.ts';

/** What one pwritev takes on Linux and macOS. */
const MAX_BUFFERS_PER_WRITE = 1_024;

/** The machine's file system. */
export const nodeDisk: Disk = {
  makeDirectory,
  list,
  readFile: readSmallFile,
  replaceFile,
  async open(path, { create }) {
    const flags = create ? constants.O_RDWR | constants.O_CREAT | constants.O_EXCL : constants.O_RDWR;
    const file = new NodeFile(path, await open(path, flags, 0o640));
    // Later fdatasyncs make the file's bytes durable; its name is durable only with its directory.
    if (create) await syncDirectory(dirname(path));
    return file;
  },
  async rename(from, to) {
    await rename(from, to);
    await syncDirectory(dirname(to));
    if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
  },
  async remove(path) {
    await unlink(path);
    await syncDirectory(dirname(path));
  },
};

class NodeFile implements DiskFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** The same file, every write to which is an fdatasync too. Opened at the first such write. */
  #durable: FileHandle | undefined;

  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  write(position: number, buffers: readonly Uint8Array[]): Promise<void> {
    return writeAll(this.#handle, position, buffers);
  }

  async writeDurably(position: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#durable ??= await open(this.#path, constants.O_RDWR | constants.O_DSYNC);
    await writeAll(this.#durable, position, buffers);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#durable?.close();
    await this.#handle.close();
  }
}

async function writeAll(handle: FileHandle, position: number, buffers: readonly Uint8Array[]): Promise<void> {
  let rest = buffers;
  let at = position;
  while (rest.length > 0) {
    const some = rest.length > MAX_BUFFERS_PER_WRITE ? rest.slice(0, MAX_BUFFERS_PER_WRITE) : rest;
    const wanted = some.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    const { bytesWritten } = await handle.writev(some, at);
    assert(bytesWritten > 0 || wanted === 0, 'a write without an error writes something');
    at += bytesWritten;
    rest = bytesWritten === wanted ? rest.slice(some.length) : afterBytes(rest, bytesWritten);
  }
}

/** What of the buffers is left after a short write (a signal, a limit, a nearly full disk). */
function afterBytes(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const left: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.byteLength) skip -= buffer.byteLength;
    else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

/** Creates what is missing, outermost first, and makes each new name durable in its parent. */
async function makeDirectory(path: string): Promise<void> {
  const outermost = await mkdir(path, { recursive: true, mode: 0o750 });
  if (outermost === undefined) return;
  const stop = dirname(resolve(outermost));
  for (let at = resolve(path); at !== stop; at = dirname(at)) await syncDirectory(dirname(at));
}

async function list(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function readSmallFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', 0o640);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ENOENT';
}
